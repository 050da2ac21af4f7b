"""How far the index is behind the history files.

Only the newest files are compared: those are written now. The indexer's own count of unread
bytes is taken where it is larger: for an index that is being made.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

from opcode_htmx.engines.claude.files import history, session_listing
from opcode_htmx.engines.claude.files.session_listing import Listing
from opcode_htmx.lib.metrics.families import Family, Gauge, Reading
from opcode_htmx.sessions.index.reader import IndexReader, IndexUnavailable

NEWEST = 20
"""Files that are compared."""

AVAILABLE = Gauge("opcode_index_available", "1 if the index of sessions can be read, else 0")
LAG_BYTES = Gauge("opcode_index_lag_bytes", "Bytes of history files that are not in the index yet")
LAG_SECONDS = Gauge(
    "opcode_index_lag_seconds",
    "How long ago the oldest of the newest history files has changed that is not in the index yet",
)
FAMILIES: tuple[Family, ...] = (AVAILABLE, LAG_BYTES, LAG_SECONDS)


class IndexLag:
    """Measures the index of one server."""

    def __init__(self, index: IndexReader, config_dir: Path) -> None:
        self._index = index
        self._config_dir = config_dir
        self._newest: WeakKeyDictionary[Listing, list[tuple[int, int, Path]]] = WeakKeyDictionary()

    def measure(self) -> Iterator[Reading]:
        """Without an index, no lag is reported."""
        newest = self._newest_files()
        try:
            indexed, unread = self._index.sizes([path for _, _, path in newest])
        except IndexUnavailable:
            yield Reading(AVAILABLE, 0)
            return
        behind = [each for each in newest if indexed.get(each[2]) != (each[1], each[0])]
        missing = sum(max(0, size - indexed.get(path, (0, 0))[0]) for _, size, path in behind)
        oldest = min((mtime_ns for mtime_ns, _, _ in behind), default=None)
        yield Reading(AVAILABLE, 1)
        yield Reading(LAG_BYTES, max(missing, unread))
        yield Reading(LAG_SECONDS, 0.0 if oldest is None else max(0.0, time.time() - oldest / 1e9))

    def _newest_files(self) -> list[tuple[int, int, Path]]:
        """The modification time (ns), size and path of each."""
        folders = history.claude_folders(self._config_dir)
        listings = session_listing.watched().look_at_all(folders)
        return heapq.nlargest(NEWEST, (each for listing in listings for each in self._of(listing)))

    def _of(self, listing: Listing) -> list[tuple[int, int, Path]]:
        found = self._newest.get(listing)
        if found is None:  # it has changed
            files = heapq.nlargest(NEWEST, listing.files, key=lambda file: file.mtime_ns)
            found = [(file.mtime_ns, file.size, listing.folder / file.name) for file in files]
            self._newest[listing] = found
        return found
