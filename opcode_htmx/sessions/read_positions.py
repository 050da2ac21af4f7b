"""Where the person stopped reading in each session, and when they last looked.

Kept in one small file in the state folder, so that another device, or the same one after it slept,
goes on from there. Several workers may share it: each reads it again when another one has written.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.files.json_files import JsonFileSchema

log = logging.getLogger(__name__)

KEPT = 1000
"""Sessions whose marks are kept, those looked at last."""


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """`block` names the newest element that was read, empty if none was; `at` is a Unix time."""

    block: str
    at: float


class ReadPositions:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.since = time.time()
        """Since when looks are noted: what ended before counts as seen."""
        self._marks: dict[str, ReadPosition] = {}  # by session, the one looked at last at the end
        self._read: tuple[int, int] | None = None
        """Which file was read or written last."""
        with self._alone():
            self._load()

    def of(self, session_id: str) -> ReadPosition:
        self._catch_up()
        return self._marks.get(session_id, ReadPosition("", self.since))

    def look(self, session_id: str, block: str = "") -> None:
        """The person looks at the session, and has read up to `block`; empty: as far as before."""
        with self._alone():
            self._catch_up()
            block = block or self.of(session_id).block
            self._marks.pop(session_id, None)
            self._marks[session_id] = ReadPosition(block, time.time())
            while len(self._marks) > KEPT:
                del self._marks[next(iter(self._marks))]
            self._store()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While this lasts, no other worker writes; for as long as it takes to write a file."""
        with contextlib.ExitStack() as stack:
            # where no file can be made, none will be written either
            with contextlib.suppress(OSError):
                stack.enter_context(file_locks.held(self._path.with_suffix(".lock")))
            yield

    def _catch_up(self) -> None:
        if _which(self._path) != self._read:
            self._load()

    def _load(self) -> None:
        self._read = _which(self._path)
        if found := _FORM.read(self._path):
            self.since, self._marks = found
        else:
            self._store()

    def _store(self) -> None:
        sessions = {key: asdict(mark) for key, mark in self._marks.items()}
        try:
            _FORM.write(self._path, {"since": self.since, "sessions": sessions}, durable=False)
        except OSError as error:  # reading goes on without; a full disk is told of elsewhere
            log.warning("%s cannot be written: %s", self._path, error)
        self._read = _which(self._path)


def _which(path: Path) -> tuple[int, int] | None:
    """What tells a file from the one that has taken its place; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _parse(found: dict[str, Any]) -> tuple[float, dict[str, ReadPosition]]:
    return float(found["since"]), {
        key: ReadPosition(**mark) for key, mark in found["sessions"].items()
    }


_FORM = JsonFileSchema(1, _parse)
