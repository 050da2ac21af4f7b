"""The records of runs of agents: a small file each, kept when their agent is deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from opcode_htmx.features.agents.store import Numbers
from opcode_htmx.lib.coerce import LATEST
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_fields import fields_of, number
from opcode_htmx.lib.files.json_files import JsonFileSchema

FOLDER = "agent_runs"
VERSION = 1
MOST = 500
"""Records that are kept, the newest ones."""


class Status(StrEnum):
    """How far a run of an agent is, in the words of the API."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self not in (Status.PENDING, Status.RUNNING)


class NoSuchAgentRun(Exception):
    """There is no run of an agent with this number."""

    def __init__(self) -> None:
        super().__init__("There is no run with this number.")


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a run has used; None where it is not known yet."""

    tokens: int | None = None
    cost_usd: float | None = None
    messages: int | None = None
    files_changed: int | None = None
    lines_added: int | None = None
    lines_removed: int | None = None


@dataclass(frozen=True, slots=True)
class AgentRun:
    """A run of an agent, with what its agent was called then. Times are Unix seconds.

    `project` is the folder that was chosen, `folder` the one in which it works: the same, or one in
    a worktree. `status` and `metrics` are those of the last turn that has ended.
    """

    id: int
    agent_id: int
    agent_name: str
    agent_icon: str
    task: str
    model: str
    project: str
    folder: str
    session_id: str
    created_at: float
    status: Status = Status.PENDING
    completed_at: float | None = None
    metrics: Metrics = Metrics()
    by: str = ""

    @property
    def in_worktree(self) -> bool:
        return self.folder != self.project


class AgentRuns:
    """All records, shared by all workers. Changes raise OSError, DiskFull among them."""

    def __init__(self, folder: Path, numbers: Numbers) -> None:
        self._folder = folder
        self._numbers = numbers
        self._files = CachedJsonFiles(_SCHEMA, MOST)

    def all(self, agent_id: int | None = None) -> list[AgentRun]:
        """The records, the newest first; those of one agent if it is given."""
        found = (self._files.read(self._path(number)) for number in reversed(self._known()))
        return [each for each in found if each and agent_id in (None, each.agent_id)]

    def get(self, number: int) -> AgentRun:
        """Raises NoSuchAgentRun."""
        found = self._files.read(self._path(number))
        if found is None:
            raise NoSuchAgentRun
        return found

    def of_session(self, session_id: str) -> AgentRun | None:
        return next((each for each in self.all() if each.session_id == session_id), None)

    def add(self, made: AgentRun) -> tuple[AgentRun, bool]:
        """Store a new record under the next number, and remove the oldest of too many.

        Gives the record that the session has already, if it has one, and whether it is new.
        """
        with raise_disk_full(), self._changing():
            if there := self.of_session(made.session_id):
                return there, False
            known = self._known()
            stored = replace(made, id=self._numbers.next("run", max(known, default=0)))
            self._files.write(self._path(stored.id), asdict(stored))
            for old in known[: max(0, len(known) + 1 - MOST)]:
                self._path(old).unlink(missing_ok=True)
        return stored, True

    def update(self, number: int, **changes: Any) -> AgentRun:
        """Raises NoSuchAgentRun."""
        with raise_disk_full(), self._changing():
            changed = replace(self.get(number), **changes)
            self._files.write(self._path(number), asdict(changed))
        return changed

    def remove(self, number: int) -> None:
        self._path(number).unlink(missing_ok=True)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        atomic_files.make_folder(self._folder)
        with file_locks.held(self._folder.with_name(f"{self._folder.name}.lock")):
            yield

    def _known(self) -> list[int]:
        names = [path.stem for path in self._folder.glob("*.json")]
        return sorted(int(name) for name in names if name.isascii() and name.isdecimal())

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:d}.json"


def now() -> float:
    return time.time()


def _parse(found: dict[str, Any]) -> AgentRun:
    known = fields_of(AgentRun, found)
    known["status"] = Status(found["status"])
    known["metrics"] = Metrics(**fields_of(Metrics, found["metrics"]))
    for moment in (known["created_at"], known.get("completed_at") or 0.0):
        number(moment, LATEST)
    return AgentRun(**known)


_SCHEMA = JsonFileSchema(VERSION, _parse)
