"""The notice after an act on selected sessions, and how archiving them is undone from it."""

from __future__ import annotations

import math

from opcode_htmx.engines.claude.files.sessions import SessionNotFound
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import count
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.session_flags import SessionFlags
from opcode_htmx.web.http.flash import flashed
from opcode_htmx.web.http.forms import whole_number

DONE = {
    "pin": "{} pinned.",
    "unpin": "{} unpinned.",
    "archive": "{} archived.",
    "unarchive": "{} taken out of the archive.",
    "tag": "{} tagged.",
    "untag": "Tags removed from {}.",
    "kept": "{} not deleted: Claude is running there.",
}
"""What the list says afterwards, by the action."""
MOST_ARCHIVES = 3
"""Projects to whose archives a notice leads."""
_LOOKED_AT = 50
"""Sessions whose projects are looked for."""
_LONGEST_TIME = 24


@dataclass(frozen=True, slots=True)
class Notice:
    """What was done. What was archived can be taken back, and found."""

    sentence: str
    undo: str = ""
    """The time of archiving as the form of the undo sends it; empty where there is no undo."""
    archives: tuple[tuple[str, str], ...] = ()
    """The projects whose archives have the sessions, by id, with their names."""


def notice_of(lookup: SessionLookup, flags: SessionFlags) -> Notice | None:
    """What was just done to sessions; None if nothing was."""
    action, text = flashed()
    number, _, at = text.partition(" ")
    done = whole_number(number, 6)
    if action not in DONE or done is None:
        return None
    sentence = DONE[action].format(count(done, "session"))
    archived = flags.archived_at(moment(at)) if action == "archive" else []
    return Notice(sentence, at if archived else "", _archives(lookup, archived))


def moment(text: str) -> float:
    """A time as `archived_text` writes it; 0 for any other text."""
    try:
        found = float(text) if len(text) <= _LONGEST_TIME and text.isascii() else 0.0
    except ValueError:
        return 0.0
    return found if math.isfinite(found) else 0.0


def archived_text(number: int, at: float) -> str:
    """The text of the notice after so many sessions were archived."""
    return f"{number} {at!r}"


def _archives(lookup: SessionLookup, session_ids: list[str]) -> tuple[tuple[str, str], ...]:
    found = dict[str, str]()
    for session_id in session_ids[:_LOOKED_AT]:
        try:
            location = lookup.locations.of(session_id)
        except SessionNotFound:
            continue
        project = lookup.locations.project_id(location)
        if project and project not in found:
            found[project] = location.project_name
        if len(found) == MOST_ARCHIVES:
            break
    return tuple(found.items())
