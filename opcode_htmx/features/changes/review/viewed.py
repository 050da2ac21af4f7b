"""Which files were looked at, in which version of their diff."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from opcode_htmx.features.changes.bases import Base
from opcode_htmx.features.changes.review.store import Review
from opcode_htmx.features.changes.rows import Row
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.git.changes import file_diffs
from opcode_htmx.lib.git.changes.model import Side

KEPT = 5000


class ViewedFiles:
    """Decides whether the diff of a file is the one that was marked as viewed.

    The versions of files are remembered, so that each is read once.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Path, str, str], str] = OrderedDict()

    def among(self, top: Path, base: Base, review: Review, rows: Iterable[Row]) -> set[str]:
        """The ids of the rows that are viewed. Reads only files that have a mark."""
        marks = {row.id: review.viewed.get(name(base, row), "") for row in rows}
        asked = [row for row in rows if marks[row.id]]
        return {row.id for row in asked if self.version(top, row) == marks[row.id]}

    def version(self, top: Path, row: Row) -> str:
        """Changes with the diff."""
        key = top, row.id, row.version
        if key not in self._known:
            self._known[key] = run_in_thread(_version, top, row)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return self._known[key]


def name(base: Base, row: Row) -> str:
    """The name of a mark."""
    return f"{base}:{row.change.side}:{row.key}"


def _version(top: Path, row: Row) -> str:
    change = row.change
    digest = sha256(repr((change.status, change.old, change.new, change.mode)).encode())
    if change.side is not Side.STAGED:
        digest.update(file_diffs.working_content(top, change.path))
    return digest.hexdigest()[:16]
