"""The address of the usage page: its days, and what the usage is limited to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date, timedelta
from urllib.parse import urlencode

from flask import url_for

from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.index.usage.figures import UsageQuery
from opcode_htmx.web.http.forms import BadForm

RANGES = {"7": "7 days", "30": "30 days", "all": "All"}
"""The values of the field `range`, as they are shown."""
DEFAULT = "30"
FIELDS = ("range", "since", "until", "project", "model", "session")
_EPOCH = date(1970, 1, 1)
_LONGEST = 4_000


@dataclass(frozen=True, slots=True)
class UsageForm:
    """The fields of an address that was checked; `range` is empty where two days are given."""

    range: str
    since: str
    until: str
    project: str
    model: str
    session: str
    query: UsageQuery


def form_of(fields: Mapping[str, str]) -> UsageForm:
    """Raises BadForm."""
    since, until = fields.get("since", "").strip(), fields.get("until", "").strip()
    first, last = day_of(since) if since else None, day_of(until) if until else None
    if first is not None and last is not None and first > last:
        raise BadForm("The first day is after the last one.")
    session = fields.get("session", "")
    default = "" if since or until else "all" if session else DEFAULT
    chosen = fields.get("range", "") or default
    if since or until:
        chosen = ""
    elif chosen not in RANGES:
        raise BadForm("Choose 7 days, 30 days, or all.")
    if chosen in ("7", "30"):
        last = today()
        first = last - int(chosen) + 1
    project, model = fields.get("project", "")[:_LONGEST], fields.get("model", "")[:_LONGEST]
    query = UsageQuery(
        since=first, until=last, project=project, model=model, session=_session(session)
    )
    return UsageForm(chosen, since, until, project, model, session, query)


def address(form: UsageForm, endpoint: str = "usage.page", **changes: str) -> str:
    """The address of the same with some fields changed; empty ones are left out."""
    known = {name: changes.get(name, str(getattr(form, name))) for name in FIELDS}
    if changes.get("range"):
        known |= {"since": "", "until": ""}
    query = urlencode({name: value for name, value in known.items() if value})
    return f"{url_for(endpoint)}?{query}" if query else url_for(endpoint)


def day_of(text: str) -> int:
    """The number of a day, written as 2026-11-28 or 20261128. Raises BadForm."""
    try:
        return (date.fromisoformat(text[:10]) - _EPOCH).days
    except ValueError:
        raise BadForm("Write a day as 2026-11-28.") from None


def date_of(day: int) -> date:
    """The date of a day that is counted from 1 January 1970."""
    return _EPOCH + timedelta(days=day)


def today() -> int:
    """The number of the day in the server's time zone."""
    now = time.localtime()
    return (date(now.tm_year, now.tm_mon, now.tm_mday) - _EPOCH).days


def zone_name() -> str:
    """The server's time zone, as `CET, UTC+01:00`."""
    now = time.localtime()
    sign, minutes = "-" if now.tm_gmtoff < 0 else "+", abs(now.tm_gmtoff) // 60
    offset = f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}" if minutes else "UTC"
    return offset if now.tm_zone in ("UTC", offset) else f"{now.tm_zone}, {offset}"


def _session(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    folder, _, session_id = text.partition("/")
    if not folder or not SESSION_ID.fullmatch(session_id):
        raise BadForm("This is the address of no session.")
    return folder, session_id
