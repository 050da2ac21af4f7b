"""The requests and responses of /api/races.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from opcode_htmx.features.races.records import (
    FEWEST_CONTESTANTS,
    MOST_CONTESTANTS,
    RaceState,
    Stage,
)
from opcode_htmx.lib.git.integration.merges import Way
from opcode_htmx.runs.model.prompt_content import MAX_PROMPT_CHARACTERS
from opcode_htmx.sessions.worktrees.endings import LONGEST_MESSAGE
from opcode_htmx.web.rest.models import LowerUuid, RequestModel, ResponseModel

Short = Annotated[str, StringConstraints(max_length=200)]


class RaceEntry(RequestModel):
    """What one contestant is to do."""

    model: Short = Field("", description="Empty: Claude's default.")
    prompt: str = Field(
        "", max_length=MAX_PROMPT_CHARACTERS, description="Another wording. Empty: that of all."
    )


class NewRace(RequestModel):
    """One prompt in several copies of a project at once."""

    project_path: str = Field(min_length=1, max_length=4096)
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)
    contestants: list[RaceEntry] = Field(min_length=FEWEST_CONTESTANTS, max_length=MOST_CONTESTANTS)
    base: Short = Field("", description="A branch or commit. Empty: what is checked out.")
    permission_mode: Short = ""
    race_id: LowerUuid | None = Field(None, description="The same id begins one race.")


class RaceWin(RequestModel):
    """How the winner is merged. What it has not committed is committed first."""

    contestant: Short
    way: Way = Way.SQUASH
    message: str = Field("", max_length=LONGEST_MESSAGE)


class RaceFile(ResponseModel):
    """A file that a contestant changes; null: it is binary."""

    path: str
    added: int | None
    removed: int | None


class RaceContestant(ResponseModel):
    """One of the sessions of a race."""

    key: str
    session_id: str
    model: str
    prompt: str
    start: Stage
    status: str
    problem: str
    live: bool
    cost_usd: float
    added: int
    removed: int
    files: list[RaceFile] | None = Field(description="Null if its copy is gone.")
    branch: str


class RaceDetails(ResponseModel):
    """A race. Times are Unix seconds."""

    id: str
    created_at: float
    project_path: str
    prompt: str
    base: str
    base_commit: str
    state: RaceState
    winner: str
    contestants: list[RaceContestant]


class RaceSummary(ResponseModel):
    """A race in the list."""

    id: str
    created_at: float
    project_path: str
    prompt: str
    state: RaceState
    winner: str
    session_ids: list[str]
