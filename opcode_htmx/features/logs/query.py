"""The filters of the log, as a form and as an address has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from flask import url_for

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.logs.reader import LogQuery
from opcode_htmx.web.http.forms import BadForm

LEVELS = {"": "All", "info": "Info", "warning": "Warnings", "error": "Errors"}
"""The values of the field `level`, as they are shown; each includes those behind it."""
FIELDS = ("level", "text", "run", "request", "since", "until")
LONGEST_TEXT = 200
_ID = late_pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogForm:
    """The fields of an address that were checked."""

    fields: Mapping[str, str]
    query: LogQuery
    follow: bool
    """Whether the page shows new lines by itself."""

    def address(self, **changes: str) -> str:
        """The page with some fields changed; a field without a value is left out."""
        follow = {"follow": "1"} if self.follow else {}
        fields = {**self.fields, **follow, **changes}
        chosen = urlencode([(name, value) for name, value in fields.items() if value])
        return url_for("logs.page") + (f"?{chosen}" if chosen else "")

    @property
    def is_filtered(self) -> bool:
        return any(self.fields.values())

    @property
    def has_more_fields(self) -> bool:
        """Whether one of the fields is used that a person has to open."""
        return any(self.fields[name] for name in ("run", "request", "since", "until"))


def form_of(given: Mapping[str, str]) -> LogForm:
    """Raises BadForm."""
    fields = {name: given.get(name, "").strip() for name in FIELDS}
    if fields["level"] not in LEVELS and fields["level"] != "debug":
        raise BadForm("Choose a level: info, warning or error.")
    if len(fields["text"]) > LONGEST_TEXT:
        raise BadForm(f"The text to search for has more than {LONGEST_TEXT} characters.")
    for name in ("run", "request"):
        if fields[name] and not _ID.fullmatch(fields[name]):
            raise BadForm(f"This is not the id of a {name}.")
    query = LogQuery(
        level=fields["level"],
        text=fields["text"],
        run=fields["run"],
        request=fields["request"],
        since=_time(fields["since"]),
        until=_time(fields["until"], is_end=True),
        cursor=given.get("cursor", "")[:50],
    )
    if query.since and query.until and query.since > query.until:
        raise BadForm("The first time is after the last one.")
    return LogForm(fields, query, follow=given.get("follow") == "1" and not query.cursor)


def _time(text: str, *, is_end: bool = False) -> float | None:
    """A Unix time; one without a zone is in that of the server. A minute has its last second."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text[:40])
        seconds = moment.timestamp()
    except (ValueError, OverflowError, OSError):
        raise BadForm("A time looks like 2026-11-29T13:30.") from None
    has_seconds = text.count(":") > 1 or moment.tzinfo is not None
    return seconds + 59.999 if is_end and not has_seconds else seconds
