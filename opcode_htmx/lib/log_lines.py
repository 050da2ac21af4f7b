"""The format of log lines, in which no text from outside can imitate a line of its own."""

from __future__ import annotations

import logging

_INDENT = "    "


class LogFormatter(logging.Formatter):
    """Indents every line of a record after the first, and escapes control characters."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None  # which another formatter may have made
        first, *rest = super().format(record).split("\n")
        return "\n".join([_printable(first), *(_INDENT + _printable(line) for line in rest)])


def set_up() -> None:
    """Log to stderr, from INFO on, unless the process logs somewhere already."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _printable(line: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in line
    )
