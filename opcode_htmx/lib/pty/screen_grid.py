"""The cells of a terminal's screen: what is written, erased and scrolled. Pure."""

from __future__ import annotations

import unicodedata
from collections import deque

TAB = 8
_DRAWN = dict(zip(range(0x60, 0x7F), "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True))
"""The characters of the set for drawing lines, `ESC ( 0`."""


class Row:
    """Its cells up to the last that was written; the one after a wide character's is empty."""

    __slots__ = ("cells", "goes_on")

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.goes_on = False
        """Whether the line was too long, and goes on in the next row."""

    def pad(self, end: int) -> None:
        self.cells += " " * (end - len(self.cells))

    def split(self, at: int) -> None:
        """A wide character of which only one half stays is none any more."""
        cells = self.cells
        if 0 < at < len(cells) and not cells[at]:
            cells[at - 1] = cells[at] = " "

    def text(self) -> str:
        return "".join(self.cells).rstrip()


class Grid:
    """Rows of so many columns with a cursor, and the rows that have scrolled off."""

    def __init__(self, columns: int, rows: int, kept: int) -> None:
        """`kept`: the number of lines that are kept once they have scrolled off."""
        self._columns, self._height = max(2, columns), max(2, rows)
        self._off: deque[Row] = deque(maxlen=kept)
        self._reset()

    def _reset(self) -> None:
        self._rows = [Row() for _ in range(self._height)]
        self._other: list[Row] | None = None
        """The ordinary screen while a program has one of its own."""
        self._x = self._y = 0
        """The cursor; in the column behind the last one, the next character goes below."""
        self._saved = [(0, 0, {"(": False, ")": False})] * 2
        """The cursor and the character sets, saved on the ordinary screen and a program's own."""
        self._left = 0, 0
        """Where it was left on the ordinary screen."""
        self._top, self._bottom = self._margins = 0, self._height - 1
        self._wraps, self._inserts, self._from_top = True, False, False
        self._draws = {"(": False, ")": False}
        self._shifted = "("

    def lines(self) -> list[str]:
        """The lines that have scrolled off and are kept, and those of the screen."""
        rows = self._rows if self._other is not None else [*self._off, *self._rows]
        return [row.text() for row in rows]

    def resize(self, columns: int, rows: int) -> None:
        """Another size: long lines are wrapped anew, and the cursor stays where it was in them."""
        columns, rows = max(2, columns), max(2, rows)
        if (columns, rows) == (self._columns, self._height):
            return
        if self._other is not None:  # the program draws its screen again
            place = self._x, self._y
            self._rows, own = self._other, self._rows
            self._x, self._y = self._left
            self._fit(columns, rows)
            self._left, (self._x, self._y) = (self._x, self._y), place
            self._other, self._rows = self._rows, [*own, *(Row() for _ in range(rows))][:rows]
        else:
            self._fit(columns, rows)
        self._columns, self._height = columns, rows
        self._x, self._y = min(self._x, columns), min(self._y, rows - 1)
        self._top, self._bottom = self._margins = 0, rows - 1

    def _fit(self, columns: int, rows: int) -> None:
        """Wrap each line anew but that of the cursor: its program draws it again."""
        before = [*self._off, *self._rows]
        cursor = before[len(self._off) + self._y]
        while before[-1] is not cursor and not before[-1].cells:
            before.pop()
        after, line = list[Row](), list[Row]()
        for row in before:
            line.append(row)
            if row.goes_on and row is not before[-1]:
                continue
            if cursor in line:
                for each in line:
                    each.split(columns)
                    del each.cells[columns:]
                after += line
            else:
                after += _wrapped([cell for each in line for cell in each.cells], columns)
            line = []
        at = after.index(cursor)
        first = max(0, min(len(after) - rows, at))
        self._off.clear()
        self._off.extend(after[:first])
        self._rows = [*after[first:], *(Row() for _ in range(rows))][:rows]
        self._y = at - first

    # --- characters -------------------------------------------------------------------------

    def _print(self, text: str) -> None:
        if self._draws[self._shifted]:
            text = text.translate(_DRAWN)
        if not text.isascii() or self._inserts or not self._wraps:
            for character in text:
                self._put(character, _width(character))
            return
        while text:
            if self._x >= self._columns:
                self._go_on()
            part, text = text[: self._columns - self._x], text[self._columns - self._x :]
            self._write(list(part))

    def _put(self, character: str, width: int) -> None:
        row = self._rows[self._y]
        if not width:
            at = min(self._x, len(row.cells)) - 1
            while at > 0 and not row.cells[at]:
                at -= 1
            if at >= 0 and len(row.cells[at]) < TAB:
                row.cells[at] += character
            return
        if self._x + width > self._columns:
            if self._wraps:
                row.split(self._x)
                del row.cells[self._x :]
                self._go_on()
                row = self._rows[self._y]
            else:
                self._x = self._columns - width
        if self._inserts:
            row.pad(self._x)
            row.split(self._x)
            row.cells[self._x : self._x] = " " * width
            del row.cells[self._columns :]
        self._write([character, ""][:width])

    def _write(self, cells: list[str]) -> None:
        """Write cells at the cursor, which fit into its row."""
        row, end = self._rows[self._y], self._x + len(cells)
        row.pad(self._x)
        row.split(self._x)
        row.split(end)
        row.cells[self._x : end] = cells
        self._x = end

    def _go_on(self) -> None:
        """The line goes on in the next row."""
        self._rows[self._y].goes_on = True
        self._x = 0
        self._down()

    # --- erasing and scrolling ---------------------------------------------------------------

    def _erase(self, which: int) -> None:
        """The row behind the cursor, before it, or all of it."""
        row, x = self._rows[self._y], self._x
        if which == 2:
            row.cells = []
        elif which == 1:
            row.split(x + 1)
            end = min(x + 1, len(row.cells))
            row.cells[:end] = " " * end
        else:
            row.split(x)
            del row.cells[x:]
        row.goes_on = row.goes_on and which == 1

    def _save(self) -> None:
        self._saved[self._other is not None] = self._x, self._y, {**self._draws}

    def _restore(self) -> None:
        x, y, draws = self._saved[self._other is not None]
        self._draws = {**draws}
        self._x, self._y = min(x, self._columns - 1), min(y, self._height - 1)

    def _down(self) -> None:
        """To the next row; at the end of the margins, what is between them moves up."""
        if self._y == self._bottom:
            if self._top == 0 and self._other is None:
                self._off.append(self._rows[0])
            self._scroll(self._top, 1)
        elif self._y < self._height - 1:
            self._y += 1

    def _scroll(self, top: int, count: int) -> None:
        """Move the rows from `top` to the lower margin up; with a negative count, down."""
        rows, end = self._rows, self._bottom + 1
        moved = min(abs(count), end - top)
        fresh = [Row() for _ in range(moved)]
        if count < 0:
            rows[top:end] = [*fresh, *rows[top : end - moved]]
            return
        rows[top:end] = [*rows[top + moved : end], *fresh]


def _wrapped(cells: list[str], columns: int) -> list[Row]:
    """The rows of a line; a wide character is not cut."""
    rows, at = list[Row](), 0
    while True:
        row, end = Row(), at + columns
        if end < len(cells) and not cells[end]:
            end -= 1
        row.cells, at = cells[at:end], end
        rows.append(row)
        if at >= len(cells):
            return rows
        row.goes_on = True


def _width(character: str) -> int:
    """The number of cells that a character takes."""
    if character < "\u0300":
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
