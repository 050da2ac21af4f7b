"""The responses of /api/projects/…/changes. Their docstrings are in the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from opcode_htmx.features.changes.bases import Base
from opcode_htmx.lib.git.changes.model import Side, Status
from opcode_htmx.web.rest.models import RequestModel, ResponseModel


class ChangesQuery(RequestModel):
    """What the files are compared with."""

    base: Literal["", "session", "commit", "branch"] = Field(
        "",
        description="`session`: the begin of the session, which `session_id` names. `commit`: the "
        "last commit. `branch`: where the branch was left. Default: `session` with a session.",
    )
    session_id: str = Field("", max_length=200, description="A session of the project.")
    first: int = Field(0, ge=0, le=10_000_000, description="The index of the first file.")


class DiffQuery(ChangesQuery):
    """One changed file."""

    id: str = Field("", max_length=64, description="The id of the change in the list.")
    path: str = Field("", max_length=2000, description="Or its path.")
    side: Literal["", "staged", "unstaged"] = Field(
        "", description="Which of its sides, if it has both."
    )
    ignore_space: bool = Field(False, description="Leave out changes of white space.")


class ChangedFile(ResponseModel):
    """A changed file."""

    id: str
    path: str = Field(description="Bytes that are no UTF-8 are replaced.")
    old_path: str = Field(description="Its path before, if it was renamed or copied.")
    status: Status
    side: Side = Field(description="Whether the change is staged; empty against another commit.")
    added: int | None = Field(description="Lines; null for binary files, and where unknown.")
    removed: int | None
    is_binary: bool
    is_submodule: bool


class ChangedFiles(ResponseModel):
    """The changes of a working tree."""

    base: Base
    commit: str = Field(description="The commit that it is compared with.")
    branch: str = Field(description="The branch that is checked out.")
    note: str
    total: int = Field(description="How many changes there are; at most 100 are returned at once.")
    is_cut: bool = Field(description="Whether there are more than are counted.")
    files: list[ChangedFile]


class DiffLine(ResponseModel):
    """A line of a hunk."""

    kind: str = Field(description="`add`, `del` or `ctx`.")
    text: str
    old: int | None = Field(description="Its number before.")
    new: int | None = Field(description="Its number after.")


class DiffHunk(ResponseModel):
    """Consecutive lines with changes among them."""

    id: str
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: list[DiffLine]


class ChangedFileDiff(ResponseModel):
    """The diff of a file."""

    file: ChangedFile
    hunks: list[DiffHunk]
    is_cut: bool = Field(description="Whether lines are left out: 5,000 are returned at most.")
