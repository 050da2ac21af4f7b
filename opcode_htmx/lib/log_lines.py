"""The format of log lines, in which no text from outside can imitate a line of its own."""

from __future__ import annotations

import logging
import textwrap

_INDENT = "    "


class LogFormatter(logging.Formatter):
    """Indents every line of a record after the first, and escapes control characters."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        first, *rest = super().formatMessage(record).split("\n")
        return "\n".join([_printable(first), *(_INDENT + _printable(line) for line in rest)])

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        text = super().formatException(ei)  # type: ignore[arg-type]
        lines = "\n".join(_printable(line) for line in text.split("\n"))
        return textwrap.indent(lines, _INDENT, lambda line: True)


def set_up() -> None:
    """Log to stderr, from INFO on, unless the process logs somewhere already."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _printable(line: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in line
    )
