"""Clones and refreshes as files: how far each is, who does it, and the wish to cancel it.

The worker that does one holds a lock, which ends with it. So any worker can tell a job that goes on
from one whose server has died.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import gevent

from opcode_htmx.lib.coerce import as_str
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.files.state_folders import StateFolder

VERSION = 1
FOLDER = StateFolder(
    "clones",
    holds="how far clones of repositories are",
    keep="until the next one of the repository",
    version=VERSION,
)
_TRIES = 5


class State(StrEnum):
    """Of a job."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class Kind(StrEnum):
    """What a job does."""

    CLONE = "clone"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A clone or a refresh of one repository. Times are Unix seconds."""

    repo: str
    url: str
    kind: Kind
    state: State
    started_at: float
    step: str = ""
    """What git does, in words; empty before it has said so."""
    percent: int = 0
    received: str = ""
    ended_at: float | None = None
    error: str = ""
    """A sentence."""
    said: str = ""
    """The end of what git wrote, when it failed."""
    asks: str = ""
    """The host that asks for a login, such as `https://github.com`; empty if none does."""
    asks_user: str = ""
    asks_keeps: bool = False
    """Of the login that it has refused: its user, and whether it was to be kept.

    The user is in no file, as some type a token as the name: only the worker that did it knows it.
    """

    @property
    def goes_on(self) -> bool:
        return self.state is State.RUNNING

    @property
    def can_be_tried_again(self) -> bool:
        return self.state not in (State.RUNNING, State.DONE)


def _parse(content: dict[str, Any]) -> Transfer:
    ended = content.get("ended_at")
    return Transfer(
        repo=str(content["repo"]),
        url=str(content["url"]),
        kind=Kind(content["kind"]),
        state=State(content["state"]),
        started_at=float(content["started_at"]),
        step=as_str(content.get("step")),
        percent=int(content.get("percent", 0)),
        received=as_str(content.get("received")),
        ended_at=None if ended is None else float(ended),
        error=as_str(content.get("error")),
        said=as_str(content.get("said")),
        asks=as_str(content.get("asks")),
        asks_keeps=content.get("asks_keeps") is True,
    )


_FILE = JsonFileSchema(VERSION, _parse)


class JobFiles:
    """The files of all jobs, one of a repository."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._users = dict[str, str]()
        """`asks_user` of the jobs by their repositories, in memory only."""

    def get(self, repo: str) -> Transfer | None:
        """The newest job of a repository, as it stands now."""
        found = self._read(repo)
        if found is None or not found.goes_on or self._is_held(repo):
            return found
        # It may have ended between the two looks
        found = self._read(repo) or found
        return replace(found, state=State.INTERRUPTED) if found.goes_on else found

    def all(self) -> list[Transfer]:
        """The newest job of each repository, the newest first."""
        found = (self.get(path.stem) for path in self._folder.glob("*.json"))
        return sorted((job for job in found if job), key=lambda job: -job.started_at)

    def write(self, job: Transfer, *, durable: bool = False) -> None:
        """Raises OSError, DiskFull among them."""
        atomic_files.make_folder(self._folder)
        self._users.pop(job.repo, None)
        if job.asks_user:
            self._users[job.repo] = job.asks_user
        content = asdict(job)
        del content["asks_user"]
        _FILE.write(self._path(job.repo), content, durable=durable)

    def take(self, repo: str) -> int | None:
        """The lock on a repository, to be closed; None where another one holds it.

        Raises OSError.
        """
        atomic_files.make_folder(self._folder)
        for _ in range(_TRIES):  # a look by `_is_held` holds it for a moment
            if (lock := file_locks.take(self._lock(repo))) is not None:
                return lock
            gevent.sleep(file_locks.POLL_SECONDS)
        return None

    @contextlib.contextmanager
    def making_worktrees(self, repo: str) -> Iterator[None]:
        """Hold the lock under which worktrees of a repository are made. Raises OSError."""
        atomic_files.make_folder(self._folder)
        with file_locks.held(self._folder / f"{repo}.worktrees.lock"):
            yield

    def cancel(self, repo: str) -> None:
        """Ask the worker that does the job to stop it. Raises OSError."""
        self._cancel(repo).touch(mode=0o600)

    def is_cancelled(self, repo: str) -> bool:
        return self._cancel(repo).exists()

    def begin(self, repo: str) -> None:
        """Forget an earlier wish to cancel; the caller has the lock."""
        self._cancel(repo).unlink(missing_ok=True)

    def forget(self, repo: str) -> None:
        """Remove what is known of a repository's job; the caller has the lock."""
        self._users.pop(repo, None)
        for path in (self._path(repo), self._cancel(repo)):
            path.unlink(missing_ok=True)

    def _read(self, repo: str) -> Transfer | None:
        found = _FILE.read(self._path(repo))
        if found is None or not found.asks:
            return found
        return replace(found, asks_user=self._users.get(repo, ""))

    def _is_held(self, repo: str) -> bool:
        return file_locks.is_held(self._lock(repo))

    def _path(self, repo: str) -> Path:
        return self._folder / f"{repo}.json"

    def _lock(self, repo: str) -> Path:
        return self._folder / f"{repo}.lock"

    def _cancel(self, repo: str) -> Path:
        return self._folder / f"{repo}.cancel"
