"""The page of the log."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, render_template, request

from opcode_htmx.features.logs.query import LEVELS, form_of
from opcode_htmx.features.logs.service import LogReader
from opcode_htmx.lib.logs.reader import LogEntry, LogPage
from opcode_htmx.web.auth.visitor import require_owner

SHOWN = 60
"""Lines of a page."""

_OF_EVERY_ACT = ("action", "actor", "session", "run")


def blueprint(log: LogReader) -> Blueprint:
    pages = Blueprint("logs", __name__)

    @pages.get("/logs")
    def page() -> str:
        require_owner("read the log")
        form = form_of(request.args)
        found = log.read(form.query, SHOWN) if log.is_on else LogPage([], "")
        return render_template(
            "logs/log.html",
            form=form,
            is_on=log.is_on,
            levels=LEVELS,
            entries=found.entries,
            older=form.address(cursor=found.older, follow="") if found.older else "",
            clock=_clock,
            headline=_headline,
        )

    return pages


def _headline(entry: LogEntry) -> str:
    """The first line of a message; of an act what was done, with what, as words."""
    if not entry.fields.get("action"):
        return entry.message.split("\n")[0]
    parts = [str(entry.fields["action"])]
    for name, value in entry.fields.items():
        if name not in _OF_EVERY_ACT and value != "":
            text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
            parts.append(f"{name.replace('_', ' ')}: {text}")
    return " · ".join(parts)


def _clock(seconds: float) -> str:
    """The time of a line in the server's time zone; with the day unless it is today."""
    moment = datetime.fromtimestamp(seconds).astimezone()
    text = f"{moment:%H:%M:%S}"
    is_today = moment.date() == datetime.now().astimezone().date()
    return text if is_today else f"{moment.day} {moment:%b} {text}"
