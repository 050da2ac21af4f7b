"""The requests and responses of /mgmt for repositories and worktrees."""

from __future__ import annotations

from pydantic import Field, model_validator

from opcode_htmx.sessions.repositories.github import GitHubRepository
from opcode_htmx.sessions.repositories.job_files import Transfer
from opcode_htmx.sessions.repositories.service import Clone
from opcode_htmx.sessions.repositories.worktrees import SessionFolder
from opcode_htmx.web.rest.models import LowerUuid, RequestModel, ResponseModel


class CloneLogin(RequestModel):
    """A login for the host of a repository. It is used once, and kept nowhere."""

    user: str
    password: str = Field(
        description="Or a token.", repr=False, json_schema_extra={"format": "password"}
    )


class CloneRequest(RequestModel):
    """What to clone: a repository on GitHub, or any address that git clones."""

    repo: str = Field("", description="`owner/name`, on GitHub.", max_length=250)
    url: str = Field(
        "",
        description="https, ssh (also git@host:path), git, or a folder below a project root. "
        "Without a user or a password.",
        max_length=500,
    )
    name: str = Field("", description="`owner__name`, where the own name is taken.", max_length=210)
    refresh: bool = Field(False, description="Fetch again what is cloned already.")
    login: CloneLogin | None = Field(
        None, description="Where an earlier transfer says `login_for`."
    )

    @model_validator(mode="after")
    def _one(self) -> CloneRequest:
        if bool(self.repo.strip()) == bool(self.url.strip()):
            raise ValueError("name either repo or url")
        return self

    @property
    def text(self) -> str:
        return self.repo or self.url


class TransferModel(ResponseModel):
    """How far a clone or a refresh is."""

    kind: str = Field(description="clone or refresh.")
    state: str = Field(
        description="running, done, failed, cancelled, or interrupted: the server died meanwhile."
    )
    step: str
    percent: int = Field(description="Of this step.")
    received: str = Field(description="Such as `1.20 MiB`; empty before it is known.")
    started_at: float = Field(description="A Unix time.")
    ended_at: float | None
    error: str = Field(description="A sentence; empty unless it failed.")
    login_for: str = Field(
        description="The host that asks for a login, or refused one; empty if none does."
    )

    @classmethod
    def of(cls, job: Transfer) -> TransferModel:
        return cls(
            kind=job.kind,
            state=job.state,
            step=job.step,
            percent=job.percent,
            received=job.received,
            started_at=job.started_at,
            ended_at=job.ended_at,
            error=job.error,
            login_for=job.asks,
        )


class RepositoryModel(ResponseModel):
    """A bare clone, or one that is being made."""

    repo: str = Field(description="Its id: `owner__name`.")
    url: str = Field(description="Where it comes from; it holds no secret.")
    is_cloned: bool
    cloned_at: float | None = Field(description="A Unix time.")
    refreshed_at: float | None
    used_at: float | None
    branch: str = Field(description="On which worktrees begin.")
    branches: int
    worktrees: list[str] = Field(description="Their ids.")
    transfer: TransferModel | None = Field(description="The newest clone or refresh.")

    @classmethod
    def of(cls, clone: Clone) -> RepositoryModel:
        record = clone.record
        return cls(
            repo=clone.repo,
            url=clone.url,
            is_cloned=record is not None,
            cloned_at=record.cloned_at if record else None,
            refreshed_at=record.refreshed_at if record else None,
            used_at=record.used_at if record else None,
            branch=record.branch if record else "",
            branches=record.branches if record else 0,
            worktrees=[str(each) for each in clone.worktrees],
            transfer=TransferModel.of(clone.job) if clone.job else None,
        )


class ForceQuery(RequestModel):
    """Whether to remove also what would lose work."""

    force: bool = Field(False, description="Remove it though work is lost.")


class GitHubQuery(RequestModel):
    """Words to find repositories by."""

    q: str = Field("", description="Words of the name or the description.", max_length=200)


class GitHubModel(ResponseModel):
    """A repository as GitHub lists it."""

    repo: str = Field(description="`owner/name`, for `POST /mgmt/repos/clone`.")
    description: str
    is_private: bool
    is_fork: bool
    is_archived: bool
    pushed_at: float = Field(description="A Unix time; 0 if it is not known.")
    size: int = Field(description="Bytes, as GitHub counts them.")

    @classmethod
    def of(cls, found: GitHubRepository) -> GitHubModel:
        return cls(
            repo=found.full_name,
            description=found.description,
            is_private=found.is_private,
            is_fork=found.is_fork,
            is_archived=found.is_archived,
            pushed_at=found.pushed_at,
            size=found.size,
        )


class WorktreeRequest(RequestModel):
    """The worktree that a session is to work in."""

    repo: str = Field(description="The id of a clone, or `owner/name`.", max_length=250)
    session_id: LowerUuid = Field(alias="sessionId", description="The id of the session, a UUID.")
    base: str = Field(
        "", description="A branch or tag to begin at; else the repository's own.", max_length=250
    )


class WorktreeModel(ResponseModel):
    """A worktree of a clone."""

    id: str = Field(description="`owner__name__sessionId`.")
    repo: str
    session_id: str
    path: str = Field(description="The folder for the session to work in.")
    branch: str
    used_at: float = Field(description="A Unix time.")
    is_in_use: bool = Field(description="Whether Claude works in it now.")
    problem: str = Field(description="Why it cannot be used; empty if it can.")

    @classmethod
    def of(cls, found: SessionFolder) -> WorktreeModel:
        return cls(
            id=str(found.name),
            repo=found.name.repo,
            session_id=found.name.session_id,
            path=str(found.path),
            branch=found.branch,
            used_at=found.used_at,
            is_in_use=found.in_use,
            problem=found.problem,
        )
