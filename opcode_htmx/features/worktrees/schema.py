"""The requests and responses of /api/worktrees.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from opcode_htmx.lib.git.integration.merges import Way
from opcode_htmx.runs.model.prompt_content import MAX_PROMPT_CHARACTERS
from opcode_htmx.sessions.worktrees.copies import CopyOrigin
from opcode_htmx.sessions.worktrees.endings import LONGEST_MESSAGE
from opcode_htmx.sessions.worktrees.records import CopyState
from opcode_htmx.web.rest.models import LowerUuid, RequestModel, ResponseModel

Short = Annotated[str, StringConstraints(max_length=200)]


class WorktreesQuery(RequestModel):
    """Which worktrees."""

    project_path: str = Field("", max_length=2000, description="Those of its repository only.")


class NewCopySession(RequestModel):
    """A session to begin in a new worktree of its project."""

    project_path: str = Field(min_length=1, max_length=4096)
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)
    base: Short = Field("", description="A branch or commit. Empty: what is checked out.")
    branch: Short = Field("", description="The new branch. Empty: one named after the prompt.")
    model: Short = ""
    permission_mode: Short = ""
    session_id: LowerUuid | None = Field(None, description="The same id begins one session.")
    prompt_id: LowerUuid | None = None


class CopySession(ResponseModel):
    """A session that begins in a worktree."""

    session_id: str
    worktree_id: str
    path: str
    branch: str
    base: str
    state: CopyState = Field(description="`made` while the set-up command of the project runs.")
    problem: str


class WorktreeMerge(RequestModel):
    """How the work comes into the base."""

    way: Way = Way.MERGE
    message: str = Field("", max_length=LONGEST_MESSAGE)
    commit: bool = Field(False, description="Commit what is uncommitted first.")
    remove: bool = Field(True, description="Remove the worktree and its branch afterwards.")


class WorktreeDetails(ResponseModel):
    """A linked worktree of a known repository. What git could not say is null."""

    id: str
    repository: str
    path: str
    branch: str
    base: str = Field(description="The branch that its work is compared with and merged into.")
    commit: str
    origin: CopyOrigin
    session_ids: list[str]
    at_work: bool
    locked: str | None
    prunable: str | None
    survives: str = Field(description="Why it may be left over; empty if it is in use.")
    uncommitted: int | None
    ahead: int | None
    behind: int | None
    disk_bytes: int | None
    made_at: float | None


class KeptWorktree(ResponseModel):
    """A removed worktree that can be brought back. Times are Unix seconds."""

    id: str
    repository: str
    path: str
    branch: str
    session_id: str
    merged: bool
    removed_at: float
    kept_until: float


class MergedWorktree(ResponseModel):
    """What came of a merge."""

    base: str
    kept: KeptWorktree | None = Field(description="The removed worktree; null if it stays.")
