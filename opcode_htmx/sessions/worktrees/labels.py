"""Name the copies in lists: by its path alone, for every row of a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from opcode_htmx.lib.git.worktrees import PLACE
from opcode_htmx.sessions.worktrees.records import CopyRecords

_PLACE = f"/{PLACE.as_posix()}/"


@dataclass(frozen=True, slots=True)
class CopyLabel:
    """The name of the project that a folder is a copy of, and the branch or name of the copy."""

    project: str
    branch: str


class CopyLabels:
    """Labels of folders. One instance serves one worker."""

    def __init__(self, records: CopyRecords) -> None:
        self._records = records
        self._seen: object = None
        self._known: dict[str, CopyLabel] = {}

    def of(self, folder: str) -> CopyLabel | None:
        """What a session's folder is a copy of; None if it is none of those that are known."""
        if self._seen != (now := self._records.version()):
            self._known = {
                each.folder: CopyLabel(PurePath(each.repository).name or "/", each.branch)
                for each in self._records.all()
            }
            self._seen = now
        known = self._known.get(folder)
        if known is not None or _PLACE not in folder:
            return known
        project, _, rest = folder.partition(_PLACE)
        name = rest.partition("/")[0]
        return CopyLabel(PurePath(project).name or "/", name) if name else None
