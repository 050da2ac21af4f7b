"""The records of sessions that work in copies: a small file each, named after the session.

A record is written before its worktree is made, with all that a start needs. So a server that is
killed in between leaves something that is found again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_fields import fields_of
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.files.state_folders import StateFolder

VERSION = 1
CACHED = 500

RECORDS = StateFolder(
    "worktrees",
    "which sessions work in a copy of their project, and where it came from",
    "as long as the session",
    VERSION,
    per_session=True,
    with_session=True,
)
Options = Mapping[str, str | bool | None]


class CopyState(StrEnum):
    """How far the start of a session in a copy is. The values are stored."""

    NOTED = "noted"
    """The worktree is to be made."""
    MADE = "made"
    """It is there, and the first prompt is to be sent."""
    BEGUN = "begun"
    MERGED = "merged"
    """Its commits are in the base, and the worktree is removed."""
    DISCARDED = "discarded"

    @property
    def is_open(self) -> bool:
        """Whether the first prompt was not sent yet."""
        return self in (CopyState.NOTED, CopyState.MADE)

    @property
    def is_over(self) -> bool:
        return self in (CopyState.MERGED, CopyState.DISCARDED)


class Setup(StrEnum):
    """How far the set-up command of the project is. The values are stored."""

    NONE = ""
    RUNNING = "running"
    FAILED = "failed"
    STOPPED = "stopped"
    """By a person; noted first, and seen by the worker that runs it."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class SessionWorktree:
    """A session and its worktree. Times are Unix seconds."""

    session_id: str
    project: str
    """The folder that was chosen."""
    repository: str
    """The main checkout."""
    path: str
    """The top of the worktree."""
    folder: str
    """The folder in it in which the session works."""
    branch: str
    base: str
    """The branch that the work is to come back to; empty if it is not known."""
    base_commit: str
    """The commit at which the worktree was made."""
    at: float
    state: CopyState = CopyState.NOTED
    by: str = ""
    prompt_id: str = ""
    prompt: str = ""
    """The first prompt, until it is sent."""
    options: dict[str, str | bool | None] = field(default_factory=dict)
    files: int = 0
    """The number of files that go with it, which are in the draft."""
    setup: Setup = Setup.NONE
    problem: str = ""
    """Why the start did not go on."""
    carried: tuple[str, ...] = ()
    """Untracked files that were copied into the worktree."""
    race: str = ""
    """The id of the race that it takes part in."""
    problem_at: float = 0.0
    """When the set-up or the start has failed, or was stopped; 0 if neither has."""


class CopyRecords:
    """The records of all sessions, shared by all workers. Changes raise OSError, DiskFull."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder_name = str(folder)
        self._files = CachedJsonFiles(_SCHEMA, CACHED)

    def get(self, session_id: str) -> SessionWorktree | None:
        return (
            self._files.read(self._path(session_id)) if SESSION_ID.fullmatch(session_id) else None
        )

    def all(self) -> list[SessionWorktree]:
        """The newest first."""
        found = (self._files.read(path) for path in self._folder.glob("*.json"))
        return sorted((each for each in found if each), key=lambda each: -each.at)

    def version(self) -> int:
        """Changes with each change of a record: each is replaced in its folder."""
        try:
            return os.stat(self._folder_name).st_mtime_ns  # noqa: PTH116 - asked for each row
        except OSError:
            return 0

    def add(self, record: SessionWorktree) -> SessionWorktree:
        """Write a record, or give the one that the session has."""
        with raise_disk_full(), self._changing():
            there = self.get(record.session_id)
            if there is not None:
                return there
            self._write(record)
        return record

    def update(
        self, session_id: str, *, unless: Setup | None = None, **changes: Any
    ) -> SessionWorktree | None:
        """Change a record; None if there is none, or its set-up is as `unless`."""
        with raise_disk_full(), self._changing():
            there = self.get(session_id)
            if there is None or there.setup is unless:
                return None
            changed = replace(there, **changes)
            self._write(changed)
        return changed

    def remove(self, session_id: str) -> None:
        if SESSION_ID.fullmatch(session_id):
            self._path(session_id).unlink(missing_ok=True)

    @contextmanager
    def starting(self, session_id: str) -> Iterator[None]:
        """Held while a session's worktree is made: two taps, or two workers, make one."""
        atomic_files.make_folder(self._folder)
        name = f"{self._folder.name}-{session_id[:1].lower()}.lock"  # few, and none is left behind
        with file_locks.held(self._folder.with_name(name)):
            yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        atomic_files.make_folder(self._folder)
        with file_locks.held(self._folder.with_name(f"{self._folder.name}.lock")):
            yield

    def _write(self, record: SessionWorktree) -> None:
        self._files.write(self._path(record.session_id), asdict(record))

    def _path(self, session_id: str) -> Path:
        return self._folder / f"{session_id}.json"


def _parse(found: dict[str, Any]) -> SessionWorktree:
    known = fields_of(SessionWorktree, found)
    known["state"] = CopyState(known["state"])
    known["setup"] = Setup(known.get("setup", ""))
    known["carried"] = tuple(map(str, known.get("carried", ())))
    return SessionWorktree(**known)


_SCHEMA = JsonFileSchema(VERSION, _parse)
