"""The list on the page of a project: pinned sessions on top, the archive apart, tags as filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from opcode_htmx.engines.claude.files.sessions import SessionSummary
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.storage.past_times import PastTimes
from opcode_htmx.sessions.storage.session_flags import MOST_OFFERED, NO_FLAGS, Flags, most_used_tags
from opcode_htmx.web.http.forms import whole_number
from opcode_htmx.web.server.base_path import base_path

MOST = 200
"""Sessions on one page: thousands would hold up every other request, and no form has so many."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session of the list, as templates/session_list.html takes it."""

    id: str
    key: str
    """Its names in the form of selected sessions: Claude's folder and its id."""
    address: str
    title: str
    at: float
    prompt_count: int | None
    flags: Flags
    checked: bool


@dataclass(frozen=True, slots=True)
class SessionList:
    """The rows that were asked for, and what else there is."""

    rows: list[SessionRow]
    total: int
    """Sessions of the project, archived ones among them."""
    archived_count: int
    tags: list[tuple[str, int]]
    """The tags of the sessions of this view, the most used first, with their numbers."""
    known_tags: list[str]
    """The tags of all projects, the most used first."""
    tag: str
    """The tag that was asked for; empty for all."""
    archived: bool
    """Whether this is the archive."""
    selecting: bool
    all_selected: bool
    query: str
    """The query string of this view without the selection."""
    older: str
    """The query string of the next page; empty if this is the last one."""
    older_count: int
    newer: str | None
    """The query string of the page before; None if this is the first one."""


def listed(
    sessions: Sequence[SessionSummary],
    flags: Mapping[str, Flags],
    query: Mapping[str, str],
    past: PastTimes,
) -> SessionList:
    """The list of a project's sessions, the last used first, by `past`.

    `query`: `archived` shows the archive, `tag` the sessions with a tag; `select` is the mode with
    checkboxes: `all`, or the id of a session that is checked. `from` is how many come before this
    page.
    """
    if any(past.is_wrong(each.last_activity) for each in sessions):
        sessions = past.newest_first(sessions, lambda each: each.last_activity)
    known_tags = most_used_tags(flags.values()) if query.get("select") else []
    flags = {
        each.id: its.of_use(each.last_activity, past)
        for each in sessions
        if (its := flags.get(each.id))
    }
    archived, tag, select = "archived" in query, query.get("tag", ""), query.get("select", "")
    first = _number(query.get("from", ""))
    view = [each for each in sessions if bool(_of(flags, each).archived) == archived]
    shown = [each for each in view if not tag or tag in _of(flags, each).tags]
    shown.sort(key=lambda each: not _of(flags, each).pinned)
    rows = shown[first : first + MOST]
    checked = {each.id for each in rows} if select == "all" else {select}
    older = len(shown) - first - len(rows)

    def view_from(number: int) -> str:
        values = {"archived": archived and "1", "tag": tag, "from": number or ""}
        return urlencode({name: value for name, value in values.items() if value})

    return SessionList(
        rows=[_row(each, _of(flags, each), each.id in checked) for each in rows],
        total=len(sessions),
        archived_count=sum(bool(_of(flags, each).archived) for each in sessions),
        tags=most_used_tags(_of(flags, each) for each in view),
        known_tags=[name for name, _ in known_tags][:MOST_OFFERED],
        tag=tag,
        archived=archived,
        selecting=bool(select),
        all_selected=select == "all",
        query=view_from(first),
        older=view_from(first + MOST) if older > 0 else "",
        older_count=max(0, older),
        newer=view_from(max(0, first - MOST)) if first else None,
    )


def _number(text: str) -> int:
    return whole_number(text, 7) or 0


def _row(session: SessionSummary, flags: Flags, checked: bool) -> SessionRow:
    folder = session.claude_folder
    return SessionRow(
        id=session.id,
        key=f"{folder}/{session.id}",
        address=f"{base_path()}/projects/{folder}/sessions/{session.id}#end",
        title=session.title,
        at=session.last_activity,
        prompt_count=session.prompt_count,
        flags=flags,
        checked=checked,
    )


def _of(flags: Mapping[str, Flags], session: SessionSummary) -> Flags:
    return flags.get(session.id, NO_FLAGS)
