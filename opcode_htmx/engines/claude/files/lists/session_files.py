"""The session files of all projects, looked at once, to find many sessions by their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from opcode_htmx.engines.claude.files import links
from opcode_htmx.engines.claude.files.session_listing import File, Listing
from opcode_htmx.engines.claude.files.session_summary import FileSummary, summarize

_by_id: WeakKeyDictionary[Listing, Mapping[str, tuple[int, str, Path, File]]] = WeakKeyDictionary()
"""For listings that are still valid: the files by the ids of their sessions, with what orders
copies."""


class SessionFiles:
    """Those of some listings, as of the moment in which these were made."""

    def __init__(self, listings: Sequence[Listing]) -> None:
        self._folders = [_of(listing) for listing in listings]
        self._all: dict[str, tuple[int, str, Path, File]] = {}
        for folder in self._folders:
            self._all.update(folder)
        self._has_copies = len(self._all) < sum(map(len, self._folders))

    def summary(self, session_id: str) -> FileSummary | None:
        """What a list shows of a session; None without a file that can be read.

        Of copies in several folders, it is the newest, as with `history.find`.
        """
        known = self._all.get(session_id)
        if known is None:
            return None
        if self._has_copies:
            known = max(each for folder in self._folders if (each := folder.get(session_id)))
        _, _, path, file = known
        try:
            return summarize(path, file.size, file.mtime_ns)
        except OSError:
            return None


def _of(listing: Listing) -> Mapping[str, tuple[int, str, Path, File]]:
    known = _by_id.get(listing)
    if known is None:
        paths = [(listing.folder / file.name, file) for file in listing.files]
        known = _by_id[listing] = {
            file.name.removesuffix(links.ENDING): (file.mtime_ns, str(path), path, file)
            for path, file in paths
        }
    return known
