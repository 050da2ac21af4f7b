"""Lines of a file that grows are the same however it was written and read, also too long ones."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.long_line import long_line
from opcode_htmx.runs.model.line_reader import CHUNK, Line, LineReader
from tests.runs.model.line_reader.reading import Append, read

IO_COUNTERS = Path("/proc/self/io")


def bytes_read_by_this_process() -> int:
    return int(IO_COUNTERS.read_text().split()[1])


def test_a_line_longer_than_a_chunk_is_whole(path: Path, append: Append) -> None:
    long = b"x" * (3 * CHUNK + 17)
    append(b"short\n" + long + b"\nshort\n")
    assert read(LineReader(path)) == [b"short", long, b"short"]


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1])
def test_a_newline_at_the_edge_of_a_chunk_ends_its_line(
    path: Path, append: Append, size: int
) -> None:
    append(b"x" * size + b"\ny\n")
    assert list(LineReader(path).read()) == [Line(size + 1, b"x" * size), Line(size + 3, b"y")]


@pytest.mark.skipif(not IO_COUNTERS.exists(), reason="the kernel counts the bytes on Linux")
def test_a_long_line_in_many_pieces_is_read_once(path: Path, append: Append) -> None:
    size, pieces = 5_000_000, 100
    reader = LineReader(path)
    before = bytes_read_by_this_process()
    for _ in range(pieces):
        append(b"x" * (size // pieces))
        assert read(reader) == []
    append(b"\n")
    assert read(reader) == [b"x" * size]
    assert bytes_read_by_this_process() - before < 1.05 * size


def read_in_pieces(reader: LineReader, path: Path, data: bytes, cuts: list[int]) -> list[Line]:
    """The lines, as they are read while `data` is written in pieces of these sizes."""
    path.write_bytes(b"")
    pieced, written = list[Line](), 0
    with path.open("ab", buffering=0) as file:
        while written < len(data):
            size = cuts[written % len(cuts)]
            file.write(data[written : written + size])
            written += size
            pieced += reader.read()
    return [*pieced, *reader.read(last=True)]


SOME_LINES = st.lists(
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")) | st.just(b""), max_size=12
)


@given(SOME_LINES, st.binary(max_size=9), st.lists(st.integers(1, 40), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_cut_of_the_writes_gives_the_same_lines(
    path: Path, given_lines: list[bytes], rest: bytes, cuts: list[int]
) -> None:
    data = b"".join(line + b"\n" for line in given_lines) + rest
    path.write_bytes(data)
    whole = list(LineReader(path).read(last=True))

    assert read_in_pieces(LineReader(path), path, data, cuts) == whole
    assert [line.data for line in whole] == [line for line in data.split(b"\n") if line.strip()]


@given(SOME_LINES, st.binary(max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_end_of_any_line_is_a_cursor_to_exactly_the_rest(
    path: Path, given_lines: list[bytes], rest: bytes
) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in given_lines) + rest)
    whole = list(LineReader(path).read(last=True))
    for index, line in enumerate(whole, start=1):
        assert list(LineReader(path, line.end).read(last=True)) == whole[index:]


def test_too_long_line_is_replaced_by_a_short_one(path: Path, append: Append) -> None:
    append(b"one\n" + b"x" * 11 + b"\ntwo\n" + b"x" * 10 + b"\n")
    assert list(LineReader(path, longest=10).read()) == [
        Line(4, b"one"),
        Line(16, long_line(4, 11)),
        Line(20, b"two"),
        Line(31, b"x" * 10),
    ]


def test_too_long_line_without_newline_is_replaced_at_the_end(path: Path, append: Append) -> None:
    reader = LineReader(path, longest=10)
    append(b"one\n" + b"x" * 9)
    assert read(reader) == [b"one"]
    append(b"x" * 9)
    assert read(reader) == []
    assert list(reader.read(last=True)) == [Line(22, long_line(4, 18))]


@given(SOME_LINES, st.binary(max_size=9), st.lists(st.integers(1, 40), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_long_lines_are_the_same_in_pieces_later_and_from_any_cursor(
    path: Path, given_lines: list[bytes], rest: bytes, cuts: list[int]
) -> None:
    data = b"".join(line + b"\n" for line in given_lines) + rest
    path.write_bytes(data)
    whole = list(LineReader(path, longest=8).read(last=True))
    for index, line in enumerate(whole, start=1):
        assert list(LineReader(path, line.end, longest=8).read(last=True)) == whole[index:]

    assert read_in_pieces(LineReader(path, longest=8), path, data, cuts) == whole


def test_endless_line_uses_bounded_memory(path: Path) -> None:
    reader, piece = LineReader(path, longest=1_000_000), b"x" * 1_000_000
    tracemalloc.start()
    try:
        with path.open("ab", buffering=0) as file:
            for _ in range(60):
                file.write(piece)
                assert read(reader) == []
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert read(reader, last=True) == [long_line(0, 60_000_000)]


def test_other_greenlets_run_while_a_long_line_is_read(path: Path, append: Append) -> None:
    append(b"x" * 40_000_000)
    turns = []

    def take_turns() -> None:
        for _ in range(1000):
            turns.append(1)
            gevent.sleep(0)

    other = gevent.spawn(take_turns)
    assert read(LineReader(path)) == []
    other.kill()
    assert len(turns) >= 5


@given(SOME_LINES, st.binary(max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_histories_for_programs_leave_out_the_same_lines(
    path: Path, given_lines: list[bytes], rest: bytes
) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in given_lines) + rest)
    whole = [line.data for line in LineReader(path, longest=8).read(last=True)]
    with path.open("rb") as file:
        lines_read = list(history.values(file, longest=8))
    assert len(lines_read) == len(whole)
    left_out = [line for line in whole if len(line) > 8]
    assert [line for line in lines_read if b"opcode_long_line" in line] == left_out
