"""The records of copies that were removed, and can be brought back for some days."""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_fields import fields_of
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.lib.git.integration.kept import Kept
from opcode_htmx.lib.late.patterns import late_pattern

VERSION = 1
KEPT_SECONDS = 7 * 86400.0
KEPT_ID = late_pattern(r"[0-9a-f]{32}", re.ASCII)

KEPT = StateFolder(
    "worktrees_kept",
    "where the work of removed copies is kept in their repositories",
    "7 days",
    VERSION,
)


class NoSuchCopy(Exception):
    """There is no such copy; the text says so."""


@dataclass(frozen=True, slots=True)
class KeptCopy:
    """A removed worktree. `at` is a Unix time.

    `tip` and `snapshot` are empty until it is removed: what is noted comes first.
    """

    id: str
    at: float
    repository: str
    path: str
    branch: str
    """The branch that it was on."""
    base: str
    session_id: str
    tip: str = ""
    snapshot: str = ""
    with_branch: bool = False
    """Whether its branch was removed with it."""
    merged: bool = False
    """Whether its commits had come into the base before."""

    @property
    def kept(self) -> Kept:
        return Kept(self.tip, self.snapshot, self.branch if self.with_branch else "")

    @property
    def until(self) -> float:
        return self.at + KEPT_SECONDS


class KeptCopies:
    """The records, shared by all workers. Changes raise OSError, DiskFull."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[KeptCopy]:
        """Those that can be brought back, the last removed first."""
        found = (_SCHEMA.read(path) for path in self._folder.glob("*.json"))
        return sorted((each for each in found if each and each.tip), key=lambda each: -each.at)

    def get(self, kept_id: str) -> KeptCopy:
        """Raises NoSuchCopy."""
        found = _SCHEMA.read(self._path(kept_id)) if KEPT_ID.fullmatch(kept_id) else None
        if found is None or not found.tip:
            raise NoSuchCopy("This copy cannot be brought back any more.")
        return found

    def put(self, kept: KeptCopy) -> None:
        with raise_disk_full():
            atomic_files.make_folder(self._folder)
            _SCHEMA.write(self._path(kept.id), asdict(kept))

    def remove(self, kept_id: str) -> None:
        if KEPT_ID.fullmatch(kept_id):
            self._path(kept_id).unlink(missing_ok=True)

    def expired(self) -> list[KeptCopy]:
        """Those that are kept no longer; also what a crash has left without an outcome."""
        now = time.time()
        found = (_SCHEMA.read(path) for path in self._folder.glob("*.json"))
        return [each for each in found if each and each.until < now]

    def _path(self, kept_id: str) -> Path:
        return self._folder / f"{kept_id}.json"


def _parse(found: dict[str, Any]) -> KeptCopy:
    return KeptCopy(**fields_of(KeptCopy, found))


_SCHEMA = JsonFileSchema(VERSION, _parse)
