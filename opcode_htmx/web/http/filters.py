"""Template filters that format times, sizes and counts; no HTML here."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from flask import Flask

from opcode_htmx.lib.coerce import LATEST
from opcode_htmx.lib.formatting import count, format_bytes
from opcode_htmx.markup import visible_text
from opcode_htmx.rendering.kept_html import KeptHtml

MOST_TIMES = 2000
"""Times whose words are kept: lists show the same ones again and again."""
_STEPS = ((60, 60, "min"), (3600, 24, "h"), (86400, 7, "day"))


def register(app: Flask) -> None:
    for filter_ in (relative_time, iso_time, full_time, format_bytes, count, milliseconds):
        app.add_template_filter(filter_)
    visible_text.install(app.jinja_env)
    app.jinja_env.globals["kept_html"] = KeptHtml()


def relative_time(seconds: float, now: float | None = None) -> str:
    """How long ago a Unix time was: `just now`, `5 min ago`, `yesterday`, `3 Mar 2026`."""
    age = (time.time() if now is None else now) - seconds
    if age < 60:
        return "just now"
    if 86400 <= age < 2 * 86400:
        return "yesterday"
    for size, limit, unit in _STEPS:
        amount = int(age // size)
        if amount < limit:
            return f"{count(amount, unit) if unit == 'day' else f'{amount} {unit}'} ago"
    return _date(seconds)


@lru_cache(maxsize=MOST_TIMES)
def _date(seconds: float) -> str:
    moment = _moment(seconds).astimezone()
    return f"{moment.day} {moment:%b %Y}"


@lru_cache(maxsize=MOST_TIMES)
def iso_time(seconds: float) -> str:
    """A Unix time for a `datetime` attribute."""
    return _moment(seconds).isoformat(timespec="seconds")


@lru_cache(maxsize=MOST_TIMES)
def full_time(seconds: float) -> str:
    """A Unix time in full, in the server's time zone."""
    moment = _moment(seconds).astimezone()
    return f"{moment.day} {moment:%B %Y, %H:%M %Z}"


def _moment(seconds: float) -> datetime:
    """A Unix time; the first or the last one that is shown for one beyond them."""
    return datetime.fromtimestamp(min(max(seconds, 0.0), LATEST), UTC)


def relative_to(path: Path, folder: Path) -> str:
    """A path relative to a folder, if it is in it; else the whole path."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def milliseconds(seconds: float) -> str:
    """A short time as `3 ms` or `1,240 ms`; `0.4 ms` where it is below one."""
    amount = seconds * 1000
    return f"{amount:.1f} ms" if amount < 1 else f"{amount:,.0f} ms"
