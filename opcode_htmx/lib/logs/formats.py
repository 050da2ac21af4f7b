"""The two formats of log lines: text for people, JSON for programs and for the page of the log.

In neither can text from outside imitate a line of its own.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.logs import context, redaction

LONGEST_MESSAGE = 8_000
LONGEST_ERROR = 20_000
"""Characters of a traceback; its end says what has happened."""
FIELDS = "fields"
"""The attribute of a record with its ids, names and numbers, as a mapping."""

_INDENT = "    "
_RUN = late_pattern(r"\brun ([0-9a-f]{32})\b")
_OF_GUNICORN = "gunicorn"


class _Formatter(logging.Formatter):
    """Finds what a record says, without secrets."""

    def message_of(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.name.startswith(_OF_GUNICORN):
            message = redaction.of_gunicorn(message)
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[:LONGEST_MESSAGE]}…"
        return redaction.redacted(message)

    def error_of(self, record: logging.LogRecord) -> str:
        """The traceback; empty without one."""
        parts = []
        if record.exc_info and record.exc_info[0]:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        text = "\n".join(parts)
        if len(text) > LONGEST_ERROR:
            text = f"…{text[-LONGEST_ERROR:]}"
        return redaction.redacted(text, context.current().private()) if text else ""

    def ids_of(self, record: logging.LogRecord, message: str) -> dict[str, str]:
        """The request and the run that the record belongs to, as far as they are known."""
        work = context.current()
        ids = {"request": work.request, "run": work.run}
        fields = getattr(record, FIELDS, {})
        if fields.get("run"):
            ids["run"] = str(fields["run"])
        elif found := "run " in message and _RUN.search(message):
            ids["run"] = found[1]
        return {name: value for name, value in ids.items() if value}


class LogFormatter(_Formatter):
    """Text: `LEVEL logger: message request=… run=…`.

    Every line of a record after the first is indented, and control characters are escaped.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = self.message_of(record)
        text = f"{record.levelname} {record.name}: {message}"
        first, *rest = text.split("\n")
        for name, value in self.ids_of(record, message).items():
            if value not in message:
                first += f" {name}={value}"
        if error := self.error_of(record):
            rest += error.split("\n")
        return "\n".join([_printable(first), *(_INDENT + _printable(line) for line in rest)])


class JsonFormatter(_Formatter):
    """One JSON object in one line of ASCII.

    `time` (UTC), `level`, `logger`, `message`, `pid`; and where they are known `request`, `run`,
    `session`, further fields of the record, and `error`, a traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = self.message_of(record)
        entry: dict[str, Any] = {
            "time": iso_time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            "pid": os.getpid(),
        }
        for name, value in getattr(record, FIELDS, {}).items():
            if value not in ("", None):
                entry.setdefault(name, value if isinstance(value, int) else str(value))
        entry.update(self.ids_of(record, message))
        if error := self.error_of(record):
            entry["error"] = error
        return json.dumps(entry, ensure_ascii=True, separators=(",", ":"))


def iso_time(seconds: float) -> str:
    """A Unix time in UTC, with milliseconds: such texts sort as the times do."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _printable(line: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in line
    )
