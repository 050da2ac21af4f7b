"""The session files of all projects, looked at once, to find many sessions by their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from opcode_htmx.engines.claude.files import links
from opcode_htmx.engines.claude.files.lists import folder_summaries
from opcode_htmx.engines.claude.files.session_listing import File, Listing
from opcode_htmx.engines.claude.files.session_summary import FileSummary

_Place = tuple[int, str, Path, File]
"""When a file was modified, its folder as text with a slash, and its folder."""
_by_id: WeakKeyDictionary[Listing, Mapping[str, _Place]] = WeakKeyDictionary()
"""For listings that are still valid: the files by the ids of their sessions, with what orders
copies."""


class SessionFiles:
    """Those of some listings, as of the moment in which these were made."""

    def __init__(self, listings: Sequence[Listing]) -> None:
        self._folders = [_of(listing) for listing in listings]
        self._all: dict[str, _Place] = {}
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
        return folder_summaries.of_file(*known[2:])


def _of(listing: Listing) -> Mapping[str, _Place]:
    known = _by_id.get(listing)
    if known is None:
        folder, text = listing.folder, f"{listing.folder}/"
        known = _by_id[listing] = {
            file.name.removesuffix(links.ENDING): (file.mtime_ns, text, folder, file)
            for file in listing.files
        }
    return known
