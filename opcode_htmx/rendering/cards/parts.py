"""The parts that a tool's card is made of, and what every kind of card needs to make them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opcode_htmx.engines.messages import Content
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.surrogates import replaced
from opcode_htmx.markup.diff import DiffLine
from opcode_htmx.markup.links import Link
from opcode_htmx.markup.spans import Span
from opcode_htmx.transcript.content.other_content import Part

SHOWN_CHARACTERS = 10_000
"""Longer texts are cut in the card; the whole text has an address of its own."""

LONGEST_JSON = 300_000
"""Characters of a text that is read as JSON, which nothing can interrupt."""

_TOOL_ERROR = re.compile(r"\s*<tool_use_error>(.*)</tool_use_error>\s*", re.DOTALL)
_REMINDER = "<system-reminder>", "</system-reminder>"
_ERROR = "Error: "
_REJECTED = "User rejected tool use"
_SAID = "the user said:\n"
"""In the text of a rejected call, what stands in front of the person's own words."""
_BESIDE = frozenset({"structuredContent", "resourceLinks", "_meta"})
"""What may come with the text of an MCP server's tool."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A text as far as the card shows it, and how many characters it leaves out."""

    text: str
    left_out: int
    lines: int = 1
    """Of the whole text."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Text in colours: what a terminal showed, or code."""

    spans: tuple[Span, ...]
    left_out: int = 0
    numbers: str = ""
    """The number of each line, a line each; empty: they are not numbered."""
    note: str = ""
    """Why it is shown in a simpler form."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool's call and, once it is there, its result."""

    name: str
    input: Json
    details: object = None
    output: str = ""
    failed: bool = False
    project: str = ""
    parts: Sequence[Content] = ()
    """All that came of it, texts included."""

    def text(self, key: str) -> str:
        """A text of the input; empty if it is none."""
        return text_of(self.input.get(key))

    def path(self, *keys: str) -> str:
        """The first path of the input under these keys, relative to the project if inside it."""
        return relative(next(filter(None, map(self.text, keys)), ""), self.project)

    @property
    def result(self) -> Mapping[str, Any]:
        """The tool's own account of its result."""
        return self.details if isinstance(self.details, dict) else {}

    @property
    def rejected(self) -> bool:
        """Whether a person stopped it: then the text of the result is the CLI's, for the model."""
        return bool(self.details == _REJECTED)

    @property
    def printed(self) -> str:
        """The text that the tool gave back, without what the CLI adds for the model."""
        error = _TOOL_ERROR.fullmatch(self.output)
        text = error[1] if error else self.output
        if text == f"({self.name} completed with no output)":
            return ""
        if self.rejected:
            return text.partition(_SAID)[2]
        own = _own_text(self.details)
        return own if own and text.startswith(own) else _without_reminders(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolView:
    """The parts of a card: one line that says what happened, and the details to open."""

    title: str
    summary: str = ""
    outcome: str = ""
    """What came of it in a word or two: `exit 1`, `9 files`."""
    place: str = ""
    """Where in it: `120–179`."""
    added: int | None = None
    removed: int = 0
    """Lines, where files were changed."""
    command: Cut | None = None
    """Text to be shown as it stands: a command, or the input as JSON."""
    plan: str = ""
    """Markdown."""
    changes: tuple[DiffLine, ...] = ()
    note: str = ""
    """A sentence about the call or its result."""
    links: tuple[Link, ...] = ()
    shown: Colours | None = None
    """The result, in a box of its own."""
    said: str = ""
    """The result as Markdown."""
    answers: tuple[tuple[str, str], ...] = ()
    """Questions, and what was answered."""
    parts: tuple[Part, ...] = ()
    """What else came: documents, links, values; with the texts where `shown` does not have them."""
    quiet: bool = False
    """Whether the line says all there is to say."""


def cut(text: str) -> Cut:
    left_out = max(0, len(text) - SHOWN_CHARACTERS)
    return Cut(text[:SHOWN_CHARACTERS], left_out, line_count(text))


def line_count(text: str) -> int:
    """How many lines a text has; a line feed at its end begins none."""
    return text.count("\n") + (not text.endswith("\n"))


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def first_line(text: str) -> str:
    """The first line that is not empty, and an ellipsis if there is more."""
    first, _, rest = text.strip().partition("\n")
    return f"{first} …" if rest else first


def relative(path: str, project: str) -> str:
    if project and path.startswith(project.rstrip("/") + "/"):
        return os.path.relpath(path, project)
    return path


def plural(amount: int, noun: str) -> str:
    """`1 file`, `2 files`; `1 match`, `2 matches`."""
    ending = "es" if noun.endswith("ch") else "s"
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}{ending}"


def _own_text(details: object) -> str:
    """The text of a result by the tool's own account; empty if that does not hold it."""
    match details:
        case str():
            return details.removeprefix(_ERROR)
        case list():
            texts = [each.get("text") for each in details if isinstance(each, dict)]
            return "\n".join(each for each in texts if isinstance(each, str))
        case {"content": str() | list() as content, **beside} if beside.keys() & _BESIDE:
            return _own_text(content)
        case _:
            return ""


def _without_reminders(text: str) -> str:
    """A text without the notes that the CLI puts behind it, each a block that begins a line.

    The same words in the middle, or in a line of a file, are not the CLI's.
    """
    opening, closing = _REMINDER
    while (end := text.rstrip()).endswith(closing):
        begin = end.rfind(opening)
        if begin < 0 or (begin and end[begin - 1] != "\n"):
            break
        text = end[:begin].rstrip()
    return text


def plain(text: str, limit: int = SHOWN_CHARACTERS) -> Colours | None:
    """A result as it stands; None if there is nothing to see."""
    if not text.strip():
        return None
    return Colours((Span("", text[:limit]),), max(0, len(text) - limit))


def pretty(text: str) -> str:
    """JSON laid out to be read; other text, and what is very long, as it is."""
    if len(text) > LONGEST_JSON or not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return replaced(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return text
