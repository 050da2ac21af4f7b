"""The data types of tool cards, and helpers that all kinds of cards use."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opcode_htmx.engines.claude.protocol.user_lines import REJECTED, said_on_rejection
from opcode_htmx.engines.contents import Content
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.surrogates import replaced
from opcode_htmx.markup.spans import Span

if TYPE_CHECKING:
    from opcode_htmx.markup.addresses.links import Link
    from opcode_htmx.markup.diff import DiffLine
    from opcode_htmx.transcript.content.other_content import Part

SHOWN_CHARACTERS = 10_000
"""Longer texts are cut in a card; the whole text has a URL of its own."""

LONGEST_JSON = 300_000
"""Characters; longer text is not parsed as JSON, because parsing cannot be interrupted."""

_TOOL_ERROR = late_pattern(r"\s*<tool_use_error>(.*)</tool_use_error>\s*", re.DOTALL)
_REMINDER = "<system-reminder>", "</system-reminder>"
_ERROR = "Error: "
_MCP_FIELDS = frozenset({"structuredContent", "resourceLinks", "_meta"})
"""Fields that MCP tools may return in addition to text."""


@dataclass(frozen=True, slots=True)
class CutText:
    """The shown part of a text, and the number of omitted characters."""

    text: str
    left_out: int
    lines: int = 1
    """The number of lines of the whole text."""


@dataclass(frozen=True, slots=True)
class ColouredText:
    """Terminal output or code as coloured spans."""

    spans: tuple[Span, ...]
    left_out: int = 0
    """The number of omitted characters."""
    numbers: str = ""
    """The line numbers, one per line; empty if lines are not numbered."""
    note: str = ""
    """Why it is shown without colours."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call and, once it has arrived, its result."""

    name: str
    input: Json
    details: object = None
    output: str = ""
    failed: bool = False
    project: str = ""
    parts: Sequence[Content] = ()
    """All parts of its result, texts included."""

    def text(self, key: str) -> str:
        """A text of the input; empty if it is of another type."""
        return text_of(self.input.get(key))

    def path(self, *keys: str) -> str:
        """The first path under these keys of the input, relative to the project if inside it."""
        return relative(next(filter(None, map(self.text, keys)), ""), self.project)

    @property
    def result(self) -> Mapping[str, Any]:
        """The structured result that the tool reported; empty if there is none."""
        return self.details if isinstance(self.details, dict) else {}

    @property
    def rejected(self) -> bool:
        """Whether the user rejected it: then the result is a text of the CLI for the model."""
        return bool(self.details == REJECTED)

    @property
    def printed(self) -> str:
        """The text that the tool returned, without what the CLI adds for the model."""
        error = _TOOL_ERROR.fullmatch(self.output)
        text = error[1] if error else self.output
        if text == f"({self.name} completed with no output)":
            return ""
        if self.rejected:
            return said_on_rejection(text) or ""
        own = _own_text(self.details)
        return own if own and text.startswith(own) else _without_reminders(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolView:
    """The contents of a card: one line that says what happened, and collapsed details."""

    title: str
    summary: str = ""
    is_path: bool = False
    """Whether the summary is a path, of which the end is to be read."""
    outcome: str = ""
    """The result in a word or two: `exit 1`, `9 files`."""
    place: str = ""
    """The range of lines: `120–179`."""
    added: int | None = None
    removed: int = 0
    """Numbers of added and removed lines; `added` is None if no file was changed."""
    command: CutText | None = None
    """Literal text: a command, or the input as JSON."""
    plan: str = ""
    """Markdown."""
    changes: tuple[DiffLine, ...] = ()
    note: str = ""
    """A sentence about the call or its result."""
    links: tuple[Link, ...] = ()
    shown: ColouredText | None = None
    """The result as literal text, in a box of its own."""
    said: str = ""
    """The result as Markdown."""
    answers: tuple[tuple[str, str], ...] = ()
    """Questions with their answers."""
    parts: tuple[Part, ...] = ()
    """Other results: documents, links, values; with the texts if `shown` is empty."""
    reason: str = ""
    """The words of the person who denied the call."""
    file: str = ""
    """The path of the file that was read or changed, and its first line: `src/app.py:12`."""
    quiet: bool = False
    """Whether there are no details beyond the line."""


def cut(text: str) -> CutText:
    """Cut a text to SHOWN_CHARACTERS."""
    left_out = max(0, len(text) - SHOWN_CHARACTERS)
    return CutText(text[:SHOWN_CHARACTERS], left_out, line_count(text))


def line_count(text: str) -> int:
    """The number of lines of a text; a final line feed begins no line."""
    return text.count("\n") + (not text.endswith("\n"))


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def first_line(text: str) -> str:
    """The first line that is not blank, with an ellipsis if there are more."""
    first, _, rest = text.strip().partition("\n")
    return f"{first} …" if rest else first


def relative(path: str, project: str) -> str:
    """A path relative to the project if it is inside; else unchanged."""
    if project and path.startswith(project.rstrip("/") + "/"):
        return os.path.relpath(path, project)
    return path


def plural(amount: int, noun: str) -> str:
    """`1 file`, `2 files`; `1 match`, `2 matches`."""
    ending = "es" if noun.endswith("ch") else "s"
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}{ending}"


def _own_text(details: object) -> str:
    """The text in a structured result; empty if it holds none."""
    match details:
        case str():
            return details.removeprefix(_ERROR)
        case list():
            texts = [each.get("text") for each in details if isinstance(each, dict)]
            return "\n".join(each for each in texts if isinstance(each, str))
        case {"content": str() | list() as content, **others} if others.keys() & _MCP_FIELDS:
            return _own_text(content)
        case _:
            return ""


def _without_reminders(text: str) -> str:
    """A text without the reminders that the CLI appends, each of which begins a line.

    The same tags elsewhere, such as within a line of a file, are not from the CLI.
    """
    opening, closing = _REMINDER
    while (end := text.rstrip()).endswith(closing):
        start = end.rfind(opening)
        if start < 0 or (start and end[start - 1] != "\n"):
            break
        text = end[:start].rstrip()
    return text


def plain(text: str, limit: int = SHOWN_CHARACTERS) -> ColouredText | None:
    """A literal text without colours, cut to `limit` characters; None if it is blank."""
    if not text.strip():
        return None
    return ColouredText((Span("", text[:limit]),), max(0, len(text) - limit))


def pretty(text: str) -> str:
    """Indent JSON; other text, and very long JSON, is returned unchanged."""
    if len(text) > LONGEST_JSON or not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return replaced(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return text
