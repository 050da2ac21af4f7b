"""Convert terminal output to spans: keep colours, and remove other escape sequences.

A carriage return goes back to the start of the line, as progress bars need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from itertools import groupby
from operator import itemgetter

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.spans import Span, merge

SHORT = 4_000
"""Characters of output that take a few milliseconds at worst; a longer one takes a thread."""

_ESCAPE = late_pattern(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|\x1b\[(?P<erase>[02]?)K"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other control sequences: move, erase, ...
    r"|\x1b[\]PX^_][^\x07\x1b\n]*+(?:\x07|\x1b\\)?"  # titles, links and the like
    r"|\x1b[ -/]*[0-~]?"
    r"|(?P<control>[\r\n\b])"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_CODE = late_pattern(r"\d{1,4}", re.ASCII)
_SPECIAL = late_pattern(r"[\r\b\x1b\x00-\x08\x0b-\x1f\x7f-\x9f]")
_EXTENDED = 38, 48
_ATTRIBUTES = {1: "b", 2: "d", 3: "i", 4: "u"}
"""Bold, dim, italic, underlined."""
_ATTRIBUTES_OFF = {22: "bd", 23: "i", 24: "u"}


@dataclass(slots=True)
class _Pen:
    """The style of the next character: a colour from 0 to 7, and attributes."""

    colour: int | None = None
    attributes: set[str] = field(default_factory=set)

    @property
    def style(self) -> str:
        names = [] if self.colour is None else [f"a{self.colour}"]
        return " ".join(names + [f"a{each}" for each in sorted(self.attributes)])

    def apply(self, codes: list[int]) -> None:
        """Apply Select Graphic Rendition; backgrounds are ignored, so that all text is legible."""
        rest = iter(codes)
        for code in rest:
            if code == 0:
                self.colour, self.attributes = None, set()
            elif code in _ATTRIBUTES:
                self.attributes.add(_ATTRIBUTES[code])
            elif code in _ATTRIBUTES_OFF:
                self.attributes -= set(_ATTRIBUTES_OFF[code])
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.colour = code % 10
            elif code == 39:
                self.colour = None
            elif code in _EXTENDED:
                number = next(rest, 0) == 5 and next(rest, 16)
                if code == 38:
                    self.colour = number % 8 if number is not False and number < 16 else None
                if number is False:
                    for _ in range(3):
                        next(rest, 0)


class _Screen:
    """Lines of characters with their styles; only the last line can be overwritten."""

    def __init__(self) -> None:
        self._finished: list[Span] = []
        self._characters: list[str] = []
        self._styles: list[str] = []
        self._column = 0

    def write(self, style: str, text: str) -> None:
        end = self._column + len(text)
        self._characters[self._column : end] = text
        self._styles[self._column : end] = [style] * len(text)
        self._column = end

    def control(self, character: str) -> None:
        """Line feed, carriage return or backspace."""
        if character == "\n":
            self._finished += [*self._line(), Span("", "\n")]
            self._characters, self._styles, self._column = [], [], 0
        else:
            self._column = 0 if character == "\r" else max(0, self._column - 1)

    def erase(self, whole: bool) -> None:
        """Erase the rest of the line, or the whole line."""
        self._column = 0 if whole else self._column
        del self._characters[self._column :], self._styles[self._column :]

    def spans(self) -> tuple[Span, ...]:
        return merge([*self._finished, *self._line()])

    def _line(self) -> Iterator[Span]:
        cells = zip(self._styles, self._characters, strict=True)
        for style, group in groupby(cells, key=itemgetter(0)):
            yield Span(style, "".join(character for _, character in group))


def spans(text: str) -> tuple[Span, ...]:
    """The spans of a terminal's output; a long one is read in a thread."""
    text = text.replace("\r\n", "\n")
    if not _SPECIAL.search(text):
        return (Span("", text),) if text else ()
    return _spans(text) if len(text) <= SHORT else run_cpu_in_thread(_spans, text)


def _spans(text: str) -> tuple[Span, ...]:
    screen, pen, at = _Screen(), _Pen(), 0
    for escape in _ESCAPE.finditer(text):
        if escape.start() > at:
            screen.write(pen.style, text[at : escape.start()])
        at = escape.end()
        if (codes := escape["sgr"]) is not None:
            pen.apply([int(code) for code in _CODE.findall(codes)] or [0])
        elif (erase := escape["erase"]) is not None:
            screen.erase(erase == "2")
        elif control := escape["control"]:
            screen.control(control)
    screen.write(pen.style, text[at:])
    return screen.spans()


def plain(text: str) -> str:
    """A terminal's output as plain text, as it looked but without colours."""
    return "".join(span.text for span in spans(text))
