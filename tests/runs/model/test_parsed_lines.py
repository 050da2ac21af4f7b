"""Lines as messages: parsed once, delivered to all, and kept no longer than needed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from opcode_htmx.engines.messages import Malformed, Message
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.model.parsed_lines import (
    MOST_BYTES,
    MOST_LINES,
    LineBuffer,
    ParsedLine,
    ParsedLines,
)


@dataclass
class CountingParser:
    """Counts the parsed lines, and can be blocked as by a long line."""

    parsed: list[bytes] = field(default_factory=list)
    may_go_on: Event | None = None

    def parse(self, line: bytes) -> Message:
        if self.may_go_on:
            self.may_go_on.wait()
        self.parsed.append(line)
        return Malformed(line.decode())


@dataclass
class Place:
    """A follower that has come this far."""

    offset: int


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "out.ndjson"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(9)))
    return path


def buffer_of(*followers: Place, size: int = 1, count: int = 9) -> LineBuffer:
    """A buffer with lines of `size` bytes and a newline, of which `followers` took none so far."""
    buffer = LineBuffer(0)
    buffer.trim(followers)
    for number in range(count):
        buffer.add(ParsedLine((number + 1) * (size + 1), b"x" * size, CountingParser()))
    return buffer


def test_message_is_parsed_on_first_access_and_cached() -> None:
    parser = CountingParser()
    line = ParsedLine(4, json.dumps("x").encode(), parser)
    assert parser.parsed == []
    assert line.message is line.message
    assert parser.parsed == [b'"x"']


def test_lines_are_read_in_steps_and_none_twice(path: Path) -> None:
    parser = CountingParser()
    lines = ParsedLines(LineReader(path), parser)
    steps = [[line.data for line in lines.read(4)] for _ in range(4)]
    assert [len(step) for step in steps] == [4, 4, 1, 0]
    assert sum(steps, []) == parser.parsed == [b"%d" % number for number in range(9)]
    assert lines.offset == path.stat().st_size
    assert not lines.has_unread()


def test_trailing_blank_lines_count_as_read(path: Path) -> None:
    path.write_bytes(b"one\n\n\n")
    lines = ParsedLines(LineReader(path), CountingParser())
    assert [line.end for line in lines.read(9)] == [4]
    assert lines.offset == 6


def test_a_line_whose_reader_is_killed_while_it_is_parsed_comes_next(path: Path) -> None:
    parser = CountingParser(may_go_on=Event())
    lines, got = ParsedLines(LineReader(path), parser), list[bytes]()

    def read() -> None:
        got.extend(line.data for line in lines.read(100))

    killed = gevent.spawn(read)
    gevent.sleep(0)
    killed.kill()
    assert (got, lines.offset) == ([], 0)
    assert lines.has_unread()
    parser.may_go_on = None
    read()
    assert got == [b"%d" % number for number in range(9)]


# --- the buffer -----------------------------------------------------------------------------


def test_the_line_that_begins_at_an_offset_is_found() -> None:
    buffer = buffer_of(Place(0))
    first, second = buffer.after(0), buffer.after(2)
    assert first and second
    assert (first.end, second.end) == (2, 4)
    assert buffer.after(1) is None, "the middle of a line is no beginning"
    assert buffer.after(18) is None, "nothing has come behind the last one"


def test_boundary_within_a_line_is_its_end() -> None:
    buffer = buffer_of(Place(0))
    assert buffer.next_boundary(3) == 4
    assert buffer.next_boundary(18) is None


def test_without_a_follower_that_keeps_up_nothing_is_kept() -> None:
    assert buffer_of().after(0) is None
    assert buffer_of(Place(0)).after(0)


def test_lines_read_by_all_current_followers_are_released() -> None:
    slow, fast = Place(2), Place(8)
    buffer = buffer_of(Place(0))
    buffer.trim((slow, fast))
    assert buffer.after(0) is None
    assert buffer.after(2)
    slow.offset = 18
    buffer.trim((slow, fast))
    assert buffer.after(2) is None
    assert buffer.after(8)


def test_lagging_follower_holds_no_lines() -> None:
    behind, buffer = Place(0), buffer_of(Place(0))
    buffer.trim((Place(6),))
    buffer.trim((behind,))
    assert buffer.after(6) is None
    assert buffer.next_boundary(0) == 18, "as far as it reads by itself"


@pytest.mark.parametrize(("size", "count"), [(1, 3 * MOST_LINES), (MOST_BYTES // 10, 30)])
def test_a_buffer_is_bounded(size: int, count: int) -> None:
    buffer = buffer_of(Place(0), size=size, count=count)
    most = min(MOST_LINES, MOST_BYTES // size)
    kept = [number for number in range(count) if buffer.after(number * (size + 1))]
    assert kept == list(range(count - most, count))
