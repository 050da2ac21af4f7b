"""The lines of a growing file as messages: each is read and parsed once for all its followers.

A buffer holds the newest lines until the followers that keep up have taken them. It is bounded: a
follower that falls behind reads the file by itself until it has caught up.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Protocol

from opcode_htmx.engines.base import Parser
from opcode_htmx.engines.messages import Message
from opcode_htmx.runs.model.line_reader import Line, LineReader

MOST_BYTES = 2_000_000
"""The most bytes of lines in a buffer; their messages take about as much again."""
MOST_LINES = 500


class ParsedLine:
    """A line without its newline, the offset of the byte behind it, and its message."""

    __slots__ = ("_message", "_parser", "data", "end")

    def __init__(
        self, end: int, data: bytes, parser: Parser, message: Message | None = None
    ) -> None:
        self.end = end
        self.data = data
        self._parser = parser
        self._message = message

    @property
    def message(self) -> Message:
        """Parsed at the first access: not every follower needs it."""
        if self._message is None:
            self._message = self._parser.parse(self.data)
        return self._message


class ParsedLines:
    """Reads a file line by line as LineReader does, and parses each line.

    Nothing is lost if the greenlet that reads is killed: the next one begins with the same line.
    """

    __slots__ = ("_parser", "_reader", "_unparsed", "offset")

    def __init__(self, reader: LineReader, parser: Parser) -> None:
        self._reader = reader
        self._parser = parser
        self._unparsed: Line | None = None
        self.offset = reader.offset
        """The end of the newest line that was returned."""

    def read(self, most: int, last: bool = False) -> Iterator[ParsedLine]:
        """At most `most` of the lines that are complete now; `last` as for LineReader."""
        first = () if self._unparsed is None else (self._unparsed,)
        lines = itertools.chain(first, self._reader.read(last))
        for line in itertools.islice(lines, most):
            self._unparsed = line
            message = self._parser.parse(
                line.data
            )  # other greenlets run meanwhile, if the line is very long
            self._unparsed = None
            self.offset = line.end
            yield ParsedLine(line.end, line.data, self._parser, message)
        self.offset = self._reader.offset  # there may be blank lines after it

    def let_go(self) -> None:
        """Keep the file open no longer."""
        self._reader.let_go()

    def has_unread(self) -> bool:
        """Whether there is something to read."""
        return self._unparsed is not None or self._reader.has_unread()


class Follower(Protocol):
    """Follows the file; `offset` is the end of the last line that it has taken."""

    @property
    def offset(self) -> int: ...


class LineBuffer:
    """The newest lines of a file, until all followers that keep up have taken them."""

    def __init__(self, begin: int) -> None:
        self._lines: list[ParsedLine] = []
        self._size = 0
        self._begin = begin
        """All lines after this offset that were read are here."""
        self._keeps = False

    def trim(self, followers: Iterable[Follower]) -> None:
        """Drop what all followers that keep up have taken; everything, if none keeps up."""
        offsets = [each.offset for each in followers if each.offset >= self._begin]
        self._keeps = bool(offsets)
        count = bisect_right(self._lines, min(offsets), key=_end) if offsets else len(self._lines)
        self._drop(count)

    def add(self, line: ParsedLine) -> None:
        """Keep a line, if a follower kept up when `trim` was called last."""
        if not self._keeps:
            self._begin = line.end
            return
        self._lines.append(line)
        self._size += len(line.data)
        if self._size > MOST_BYTES or len(self._lines) > MOST_LINES:
            size = self._size
            count = 0
            while size > MOST_BYTES or len(self._lines) - count > MOST_LINES:
                size -= len(self._lines[count].data)
                count += 1
            self._drop(count)

    def after(self, offset: int) -> ParsedLine | None:
        """The line that begins at `offset`; None if it is not here."""
        place = bisect_right(self._lines, offset, key=_end)
        if place == len(self._lines):
            return None
        begin = self._lines[place - 1].end if place else self._begin
        return self._lines[place] if begin == offset else None

    def next_boundary(self, offset: int) -> int | None:
        """The first end of a line after `offset` that has kept lines after it, if there is one."""
        if offset < self._begin:
            return self._begin
        place = bisect_right(self._lines, offset, key=_end)
        return self._lines[place].end if place < len(self._lines) else None

    def _drop(self, count: int) -> None:
        if count:
            self._begin = self._lines[count - 1].end
            self._size -= sum(len(line.data) for line in self._lines[:count])
            del self._lines[:count]


def _end(line: ParsedLine) -> int:
    return line.end
