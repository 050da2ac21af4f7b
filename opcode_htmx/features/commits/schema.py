"""The requests and responses of /api/projects/{project_id}/git."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from opcode_htmx.web.rest.models import RequestModel, ResponseModel

Programs = Literal["", "run", "without"]
_PATHS = Field(description="Paths in the repository; `*` alone: all.", min_length=1)


class Confirmed(RequestModel):
    """What may run: what a command would run is refused with 409 until it is answered."""

    programs: Programs = Field("", description="`run` them, or go on `without` them.")
    digest: str = Field("", description="Names the programs or the push that was shown.")


class ChangedFile(ResponseModel):
    """A file that differs between HEAD, the index and the working tree."""

    path: str = Field(description="Bytes that are not UTF-8 are replaced.")
    staged: str = Field(description="git's letter for the index against HEAD; may be empty.")
    unstaged: str = Field(description="The same for the working tree against the index.")
    origin: str = Field(description="Where a renamed file was; empty for others.")
    conflict: bool


class GitState(ResponseModel):
    """The state of a repository."""

    head: str
    branch: str = Field(description="Empty if HEAD is on no branch.")
    upstream: str
    ahead: int | None
    behind: int | None
    operation: str = Field(description="merge, rebase, cherry-pick, revert, or empty.")
    files: list[ChangedFile]
    truncated: bool
    staged_digest: str = Field(description="Names what a commit would hold.")


class RunProgram(ResponseModel):
    """A program that a command would run."""

    kind: str
    name: str
    command: str
    of_repository: bool


class RunPrograms(ResponseModel):
    """What a command would run."""

    programs: list[RunProgram]
    digest: str


class ProgramsQuery(RequestModel):
    """The command."""

    act: Literal["commit", "switch", "files", "continue"]


class StageRequest(Confirmed):
    """Files, or hunks and lines of one file."""

    paths: list[str] = _PATHS
    hunks: list[str] = Field(default_factory=list, max_length=2000)
    lines: list[str] = Field(
        default_factory=list, max_length=20_000, description="`hunk:index` for each."
    )


class GitDone(ResponseModel):
    """What was done."""

    message: str
    kept_id: str = Field(description="Brings it back within 7 days; empty if nothing can be.")


class CommitRequest(Confirmed):
    """A commit of what is staged."""

    message: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    amend: bool = False
    staged_digest: str = Field("", description="Refused with 409 if something else is staged.")


class GitAct(ResponseModel):
    """A command that may take long; ask for it again while it is running."""

    id: str
    state: Literal["running", "done", "failed"]
    message: str
    output: str = Field(description="What git wrote, if it refused.")
    progress: str
    login_for: str = Field(
        description="The host that asks for a login, or refused one; empty if none does."
    )


class GitBranch(ResponseModel):
    """A branch."""

    name: str
    commit: str
    remote: bool
    current: bool
    upstream: str
    merged: bool


class BranchRequest(Confirmed):
    """A new branch, or one to switch to."""

    name: str
    start: str = Field("", description="A branch, such as refs/remotes/origin/main; empty: HEAD.")
    switch: bool = True


class RemoteLogin(RequestModel):
    """A login for a remote. It is used for this command only, and kept nowhere."""

    origin: str = Field(description="The host that asks for it, such as https://github.com.")
    user: str
    password: str = Field(
        description="Or a token.", repr=False, json_schema_extra={"format": "password"}
    )


class PushRequest(Confirmed):
    """A push as it was shown; `programs` has to be answered."""

    remote: str = ""
    overwrite: bool = Field(False, description="Take what it would overwrite, and no more.")
    login: RemoteLogin | None = Field(
        None, description="Where the act of an earlier push says `login_for`."
    )


class PushQuery(RequestModel):
    """The remote; empty for the one that the branch follows."""

    remote: str = ""


class GitPushPlan(ResponseModel):
    """What a push would do; its digest goes with the push."""

    remote: str
    urls: list[str]
    branch: str
    target: str
    new_commits: list[str]
    overwritten_commits: list[str]
    programs: list[RunProgram]
    digest: str
