"""The requests and responses of /api/sessions/…/checkpoints.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from opcode_htmx.sessions.checkpoints.model import LONGEST_DESCRIPTION, CheckpointKind, Strategy
from opcode_htmx.web.rest.models import RequestModel, ResponseModel


class NewCheckpoint(RequestModel):
    """A checkpoint to take now."""

    description: str = Field("", max_length=LONGEST_DESCRIPTION)


class CheckpointDescription(RequestModel):
    """What a checkpoint is called."""

    description: str = Field(max_length=LONGEST_DESCRIPTION)


class CheckpointDetails(ResponseModel):
    """A checkpoint: all files of the project as they were, without what git ignores."""

    checkpoint: int = Field(description="Its number in the session.")
    kind: CheckpointKind
    created_at: float = Field(description="A Unix time.")
    parent: int | None = Field(description="The checkpoint that the files came from.")
    is_current: bool = Field(description="Whether the next one will have it as its parent.")
    description: str
    project_path: str = Field(description="The top of the working tree.")
    commit: str = Field(description="Its commit, in the repository of the project if it has one.")
    files: int
    size: int = Field(description="In bytes, of all files.")
    files_changed: int | None = Field(description="Since its parent.")
    left_out: int = Field(description="Paths that it does not have, such as too large files.")
    prompt_id: str = Field(description="The prompt before which it was taken, or empty.")
    prompt: str = Field(description="How that begins.")
    tool: str = Field(description="The tool after which it was taken, or empty.")
    model: str = Field(description="Of the turn that followed; empty if none has ended.")
    input_tokens: int
    output_tokens: int
    is_late: bool = Field(
        description="Whether Claude had begun to use a tool before it was complete."
    )


class CheckpointList(ResponseModel):
    """The checkpoints of a session, the oldest first."""

    checkpoints: list[CheckpointDetails]
    strategy: Strategy | None = Field(description="What was chosen for the session.")
    undo: int | None = Field(description="The checkpoint that undoes the last restore.")


class DiffQuery(RequestModel):
    """With what a checkpoint is compared."""

    against: Literal["now", "parent"] = Field(
        "now", description="`now`: what a restore would change; `parent`: what changed up to it."
    )


class ChangedFile(ResponseModel):
    """A file that differs."""

    path: str
    change: Literal["added", "removed", "changed", "replaced", "permissions"]
    added: int | None = Field(description="Lines; null for binary files.")
    removed: int | None
    changed_outside: bool = Field(
        description="Whether it was changed after a turn of Claude's, by somebody else."
    )


class KeptFile(ResponseModel):
    """A path that a restore leaves as it is."""

    path: str
    reason: str


class CheckpointDiff(ResponseModel):
    """What differs."""

    files: list[ChangedFile] = Field(description="The first 300.")
    count: int
    kept: list[KeptFile]
    digest: str = Field(description="For a restore that does exactly this; empty for `parent`.")


class CheckpointRestore(RequestModel):
    """A restore; a checkpoint of now is taken before."""

    digest: str = Field(
        "", max_length=64, description="Of a diff: if something has changed since, it is refused."
    )


class RestoredCheckpoint(ResponseModel):
    """What a restore has done."""

    undo: int = Field(description="The checkpoint that was taken before it.")
    changed: int
    kept: list[KeptFile] = Field(description="The first 100 paths that were left as they are.")


class ForkedCheckpoint(ResponseModel):
    """A worktree with the files of a checkpoint."""

    project_path: str


class CheckpointCleanUp(RequestModel):
    """What is to be kept; of two limits, what either one removes goes."""

    keep: int | None = Field(
        None, strict=True, ge=0, le=10_000, description="How many, the newest."
    )
    days: float | None = Field(None, strict=True, ge=0, le=36_500, description="Older ones go.")


class CleanedUp(ResponseModel):
    """How many checkpoints were removed."""

    removed: int


class CheckpointStrategy(RequestModel):
    """When checkpoints are taken."""

    strategy: Strategy | None = Field(description="Null: as in the project, or the default.")
    for_project: bool = Field(False, strict=True, description="For all sessions of the project.")


class RewindRequest(RequestModel):
    """What is to go back to before which prompt."""

    prompt_id: str = Field(max_length=100)
    what: Literal["files", "conversation", "both"]
    means: Literal["checkpoint", "claude"] = Field(
        "checkpoint",
        description="How the files go back: to the checkpoint from before the prompt, or by what "
        "Claude knows of the changes of its own tools.",
    )
    digest: str = Field(
        "", max_length=64, description="Of a diff: if something has changed since, it is refused."
    )


class Rewound(ResponseModel):
    """What a rewind has done."""

    undo: int | None = Field(description="The checkpoint that brings the files back.")
    prompt: str
