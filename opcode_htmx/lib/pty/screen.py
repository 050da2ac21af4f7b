"""What stands on a terminal's screen, and the lines that have scrolled off it, as plain text. Pure.

It is for a page without scripts: a line that is longer than the terminal is wide goes on below, and
what a program draws at a place of the screen stands there. Colours are left out.
"""

from __future__ import annotations

import re

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.pty.screen_grid import TAB, Grid, Row

_TOKEN = late_pattern(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?P<unfinished>\x1b(?:\[[0-?]*+)?[ -/]*+)\Z"
    r"|(?P<string>\x1b[\]PX^_])[^\x07\x18\x1a\x1b]*+(?P<ending>\x1b?)\Z"  # not whole yet
    r"|\x1b\[(?P<mark>[<=>?]?)(?P<numbers>[0-9;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|\x1b[\]PX^_][^\x07\x18\x1a\x1b]*+(?:\x07|\x1b\\)?"  # titles, links and the like
    r"|\x1b(?P<set>[()])(?P<charset>[0-~])"
    r"|\x1b(?P<escape>[0-~])"
    r"|\x1b(?:[ -/]+[0-~]?)?"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f])",
    re.DOTALL,
)
_OWN_SCREEN = frozenset({47, 1047, 1049})
"""The private modes for a screen of its own, as editors use it."""
_MOST = 9999
"""The largest number in a sequence."""
_LONGEST = 256
"""Characters of a sequence that is waited for until it is whole; strings may be longer."""


class Screen(Grid):
    """A screen as xterm shows it."""

    def __init__(self, columns: int, rows: int, kept: int) -> None:
        super().__init__(columns, rows, kept)
        self._rest = ""
        """The beginning of an escape sequence that is not whole yet."""
        self._last = ""
        """The character that was written just before; empty if that is none."""

    def feed(self, text: str) -> None:
        """Read on; the pieces may be cut anywhere between two characters."""
        text, self._rest = self._rest + text, ""
        for token in _TOKEN.finditer(text):
            if (rest := token["unfinished"]) is not None:
                self._rest = rest if len(rest) <= _LONGEST else ""
                return
            if token["string"]:  # what stands in it is not shown
                self._rest = token["string"] + token["ending"]
                return
            before, self._last = self._last, ""
            if token["text"] is not None:
                self._print(token["text"])
                self._last = token["text"][-1]
            elif (control := token["control"]) is not None:
                self._control(control)
            elif token["final"] is not None:
                if not token["between"]:
                    self._sequence(token["mark"] + token["final"], token["numbers"], before)
                elif token["between"] + token["final"] == "!p":
                    self._top, self._bottom = 0, self._height - 1
                    self._wraps, self._inserts, self._from_top = True, False, False
            elif token["set"]:
                self._draws[token["set"]] = token["charset"] == "0"
            elif token["escape"]:
                self._escape(token["escape"])

    # --- control characters and escape sequences --------------------------------------------

    def _control(self, control: str) -> None:
        match control:
            case "\r":
                self._x = 0
            case "\n" | "\v" | "\f":
                self._x = min(self._x, self._columns - 1)
                self._down()
            case "\b":
                self._x = max(0, min(self._x, self._columns - 1) - 1)
            case "\t":
                if self._x < self._columns:
                    self._x = min(self._x - self._x % TAB + TAB, self._columns - 1)
            case "\x0e" | "\x0f":
                self._shifted = ")" if control == "\x0e" else "("

    def _escape(self, letter: str) -> None:
        match letter:
            case "7":
                self._save()
            case "8":
                self._restore()
            case "D" | "E":
                self._x = 0 if letter == "E" else min(self._x, self._columns - 1)
                self._down()
            case "M":
                self._x = min(self._x, self._columns - 1)
                if self._y == self._top:
                    self._scroll(self._top, -1)
                else:
                    self._y = max(0, self._y - 1)
            case "c":
                self._off.clear()
                self._reset()

    def _sequence(self, name: str, text: str, last: str) -> None:
        """`last` is the character before the sequence; empty if that is none."""
        numbers = [min(_MOST, int(each[-5:] or 0)) for each in text.replace(":", ";").split(";")]
        first, second = (*numbers, 0)[:2]
        count = max(1, first)
        if name in ("?h", "?l", "h", "l"):
            for number in numbers:
                self._set_mode(name[:-1], number, is_on=name[-1] == "h")
            return
        self._move(name, second, count)
        self._edit(name, first, count, last)
        if name == "r":
            top, bottom = count - 1, min(second or self._height, self._height) - 1
            if top < bottom:
                self._top, self._bottom = top, bottom
                self._x, self._y = 0, top if self._from_top else 0
        elif name == "s":
            self._save()
        elif name == "u":
            self._restore()

    def _move(self, name: str, second: int, count: int) -> None:
        """The sequences that move the cursor."""
        last = self._columns - 1
        if name in ("A", "F"):
            self._y = max(self._top if self._y >= self._top else 0, self._y - count)
        elif name in ("B", "E", "e"):
            end = self._bottom if self._y <= self._bottom else self._height - 1
            self._y = min(end, self._y + count)
        elif name in ("C", "a"):
            self._x = min(last, self._x + count)
        elif name == "D":
            self._x = max(0, min(self._x, last) - count)
        elif name == "I" and self._x < self._columns:
            self._x = min(last, self._x - self._x % TAB + TAB * count)
        elif name == "Z":
            self._x = max(0, (min(self._x, last) - 1) // TAB * TAB - TAB * (count - 1))
        elif name in ("H", "f", "d"):
            start, end = (self._top, self._bottom) if self._from_top else (0, self._height - 1)
            self._y = min(end, start + count - 1)
        if name in ("A", "B", "d", "e"):
            self._x = min(self._x, last)
        elif name in ("E", "F"):
            self._x = 0
        elif name in ("G", "`"):
            self._x = min(last, count - 1)
        elif name in ("H", "f"):
            self._x = min(last, max(1, second) - 1)

    def _edit(self, name: str, first: int, count: int, last: str) -> None:
        """The sequences that erase, insert, move or repeat what is there."""
        if name in ("P", "@", "X"):
            self._x = min(self._x, self._columns - 1)
        row, x = self._rows[self._y], self._x
        if name in ("J", "?J"):
            if first == 3:
                self._off.clear()
            elif first < 3:
                self._erase(first)
                cleared = self._rows[self._y + 1 :] if first == 0 else self._rows[: self._y]
                for each in self._rows if first == 2 else cleared:
                    each.cells, each.goes_on = [], False
        elif name in ("K", "?K") and first < 3:
            self._erase(first)
        elif name in ("L", "M") and self._top <= self._y <= self._bottom:
            self._scroll(self._y, -count if name == "L" else count)
            self._x = 0
        elif name in ("S", "T"):
            self._scroll(self._top, count if name == "S" else -count)
        elif name == "P":
            row.split(x)
            row.split(x + count)
            del row.cells[x : x + count]
        elif name == "@":
            if x < len(row.cells):
                row.split(x)
                row.cells[x:x] = " " * min(count, self._columns)
                row.split(self._columns)
                del row.cells[self._columns :]
        elif name == "X":
            end = min(x + count, len(row.cells))
            row.split(x)
            row.split(end)
            if x < end:
                row.cells[x:end] = " " * (end - x)
        elif name == "b":
            self._print(last * min(count, self._columns * 2))

    def _set_mode(self, mark: str, number: int, *, is_on: bool) -> None:
        if not mark:
            self._inserts = is_on if number == 4 else self._inserts
        elif number == 7:
            self._wraps = is_on
        elif number == 6:
            self._from_top = is_on
            self._x, self._y = 0, self._top if is_on else 0
        elif number == 1048 and is_on:
            self._save()
        elif number in _OWN_SCREEN and is_on and self._other is None:
            if number == 1049:
                self._save()
            self._left, self._margins = (self._x, self._y), (self._top, self._bottom)
            self._top, self._bottom = 0, self._height - 1
            self._other, self._rows = self._rows, [Row() for _ in range(self._height)]
        elif number in _OWN_SCREEN and not is_on and self._other is not None:
            self._rows, self._other = self._other, None
            self._top, self._bottom = self._margins
        if number in (1048, 1049) and not is_on:
            self._restore()
