"""The form of the search page: its query, and the filters that are active."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import PurePath
from urllib.parse import urlencode

from flask import url_for

from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.index.search import Query
from opcode_htmx.sessions.lookup import shorten
from opcode_htmx.web.http.forms import BadForm, whole_number

ROLES = {
    "prompt": "You",
    "answer": "Claude",
    "thinking": "Thoughts",
    "call": "Tool",
    "output": "Output",
    "summary": "Summary",
}
"""The values of the field `role`, as they are shown."""
_LABELS = {
    "session": "",
    "project": "Project: ",
    "role": "Said by: ",
    "tool": "Tool: ",
    "branch": "Branch: ",
    "model": "Model: ",
    "file": "File: ",
    "since": "From ",
    "until": "To ",
}
_SWITCHES = {
    "no_output": "Not in what tools printed",
    "no_agents": "Not in what agents did",
    "rewound": "Also in what was rewound",
}
LAST_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that is active; `without` is the address of the same search without it."""

    label: str
    without: str


def query_of(form: Mapping[str, str]) -> Query:
    """The query of the page's form. Raises BadForm."""
    role = form.get("role", "")
    if role and role not in ROLES:
        raise BadForm("Choose who said it from the list.")
    return Query(
        words=form.get("q", "").strip(),
        session=_session(form.get("session", "")),
        page=_page(form.get("page", "")),
        project=form.get("project", ""),
        role=role,
        tool=form.get("tool", ""),
        branch=form.get("branch", ""),
        model=form.get("model", ""),
        file=form.get("file", "").strip(),
        since=_day(form.get("since", "")),
        until=_day(form.get("until", ""), timedelta(days=1)),
        with_rewound="rewound" in form,
        with_agents="no_agents" not in form,
        with_output="no_output" not in form,
    )


def address(form: Mapping[str, str], **changes: str | int) -> str:
    """The address of a search with some fields changed; empty ones are left out."""
    fields = {**form, "page": "", **changes}
    known = {name: fields.get(name) for name in ("q", *_LABELS, *_SWITCHES, "page")}
    query = urlencode({name: value for name, value in known.items() if value})
    return f"{url_for('search.page')}?{query}"


def active_filters(form: Mapping[str, str], session_title: str) -> Iterator[Filter]:
    """The filters of a form, in the order of its fields."""
    for name, label in _LABELS.items():
        if value := form.get(name, "").strip():
            match name:
                case "session":
                    value = f"In “{shorten(session_title) or 'a session'}”"
                case "project":
                    value = PurePath(value).name or value
                case "role":
                    value = ROLES[value]
                case _:
                    pass
            yield Filter(label + value, address(form, **{name: ""}))
    for name, label in _SWITCHES.items():
        if name in form:
            yield Filter(label, address(form, **{name: ""}))


def _session(text: str) -> tuple[str, str] | None:
    """The folder and the id of a session in a query string, `<project id>/<session id>`."""
    if not text:
        return None
    folder, _, session_id = text.partition("/")
    if not folder or not SESSION_ID.fullmatch(session_id):
        raise BadForm("This is the address of no session. Search in all of them.")
    return folder, session_id


def _page(text: str) -> int:
    if not text:
        return 1
    page = whole_number(text)
    if page is None or not 1 <= page <= LAST_PAGE:
        raise BadForm("There is no such page.")
    return page


def _day(text: str, more: timedelta = timedelta()) -> float | None:
    """The beginning of a day of the server's calendar, as Unix seconds."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise BadForm("Write a date as 2026-11-28.") from None
    try:
        return (day + more).timestamp()
    except (ValueError, OverflowError, OSError):  # before or after all sessions
        return None if more else 0.0
