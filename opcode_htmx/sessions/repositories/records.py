"""What is known about each clone: its address, when it was made, refreshed and used."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from opcode_htmx.lib.coerce import as_str
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.files.state_folders import StateFolder

VERSION = 1
FOLDER = StateFolder(
    "repositories",
    holds="where clones of repositories come from, and when they were used",
    keep="as long as the clone",
    version=VERSION,
)


@dataclass(frozen=True, slots=True)
class CloneRecord:
    """A clone. Times are Unix seconds; the clone itself is the truth about all else."""

    repo: str
    url: str
    """Empty where it is not known any more: it cannot be refreshed then."""
    cloned_at: float
    refreshed_at: float
    used_at: float
    branches: int = 0
    """Of the remote, when it was refreshed last."""
    branch: str = ""
    """The remote's own, on which new worktrees begin."""


def _parse(content: dict[str, Any]) -> CloneRecord:
    return CloneRecord(
        repo=str(content["repo"]),
        url=str(content["url"]),
        cloned_at=float(content["cloned_at"]),
        refreshed_at=float(content["refreshed_at"]),
        used_at=float(content["used_at"]),
        branches=int(content.get("branches", 0)),
        branch=as_str(content.get("branch")),
    )


_FILE = JsonFileSchema(VERSION, _parse)


class CloneRecords:
    """The records, one file a clone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, repo: str, path: Path) -> CloneRecord:
        """The record of the clone at `path`; a poor one where its file is lost."""
        found = _FILE.read(self._path(repo))
        if found:
            return found
        try:
            at = path.stat().st_mtime
        except OSError:
            at = 0.0
        return CloneRecord(repo, "", at, at, at)

    def write(self, record: CloneRecord) -> None:
        """Raises OSError, DiskFull among them."""
        atomic_files.make_folder(self._folder)
        _FILE.write(self._path(record.repo), asdict(record))

    def used(self, record: CloneRecord, at: float) -> None:
        """Note that the clone was used. Raises OSError."""
        self.write(replace(record, used_at=at))

    def forget(self, repo: str) -> None:
        self._path(repo).unlink(missing_ok=True)

    def _path(self, repo: str) -> Path:
        return self._folder / f"{repo}.json"
