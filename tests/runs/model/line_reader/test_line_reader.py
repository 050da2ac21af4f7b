"""Reading the lines of a file that grows: each once and whole."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.runs.model.line_reader import CHUNK, KeptFiles, Line, LineReader
from tests.runs.model.line_reader.reading import Append, read


def test_only_complete_lines_are_given(path: Path, append: Append) -> None:
    append(b"one\ntwo\nthr")
    assert read(LineReader(path)) == [b"one", b"two"]


def test_a_half_line_is_kept_until_its_newline_comes(path: Path, append: Append) -> None:
    reader = LineReader(path)
    append(b"one\ntw")
    assert read(reader) == [b"one"]
    append(b"o")
    assert read(reader) == []
    append(b"\nthree\n")
    assert read(reader) == [b"two", b"three"]


def test_every_line_is_given_once(path: Path, append: Append) -> None:
    reader = LineReader(path)
    append(b"one\n")
    assert read(reader) == [b"one"]
    assert read(reader) == []


def test_readers_that_share_kept_files_read_each_their_own(tmp_path: Path) -> None:
    """One is read on while the other one has taken its place among the files that are open."""
    kept = KeptFiles(1)
    texts = {name: b"%s 1\n" % name.encode() * CHUNK for name in "ab"}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    readers = [LineReader(tmp_path / name, kept=kept) for name in texts]
    found = list(zip(*(reader.read() for reader in readers), strict=True))
    assert len(found) == CHUNK
    for number, name in enumerate(texts):
        assert {lines[number].data for lines in found} == {b"%s 1" % name.encode()}
    for reader in readers:
        reader.let_go()
    assert len(kept) == 0
    with (tmp_path / "a").open("ab") as file:
        file.write(b"later\n")
    assert read(readers[0]) == [b"later"]


def test_a_file_that_does_not_exist_yet_has_no_lines(path: Path, append: Append) -> None:
    reader = LineReader(path)
    assert read(reader) == []
    append(b"one\n")
    assert read(reader) == [b"one"]


def test_the_last_read_gives_a_line_without_its_newline(path: Path, append: Append) -> None:
    reader = LineReader(path)
    append(b"one\ntwo")
    assert list(reader.read(last=True)) == [Line(4, b"one"), Line(7, b"two")]
    assert list(reader.read(last=True)) == []


def test_the_last_read_gives_a_half_line_that_an_earlier_one_kept(
    path: Path, append: Append
) -> None:
    reader = LineReader(path)
    append(b"on")
    assert read(reader) == []
    append(b"e")
    assert list(reader.read(last=True)) == [Line(3, b"one")]


def test_blank_lines_are_skipped_and_counted(path: Path, append: Append) -> None:
    append(b"\n  \none\n\n\r\ntwo\n \n  ")
    reader = LineReader(path)
    assert list(reader.read(last=True)) == [Line(8, b"one"), Line(15, b"two")]
    assert reader.offset == path.stat().st_size


def test_bytes_that_are_no_utf_8_pass_as_they_are(path: Path, append: Append) -> None:
    append(b"\xff\xfe\x00\x80\n\xc3\n")
    assert read(LineReader(path)) == [b"\xff\xfe\x00\x80", b"\xc3"]


def test_reading_stops_at_the_limit(path: Path, append: Append) -> None:
    append(b"one\ntwo\nthree\n")
    reader = LineReader(path)
    reader.limit(8)
    assert read(reader, last=True) == [b"one", b"two"]
    assert reader.offset == 8


def test_limit_within_a_line_leaves_the_rest_unread(path: Path, append: Append) -> None:
    append(b"one\ntwo\n")
    reader = LineReader(path)
    reader.limit(6)
    assert read(reader) == [b"one"]
    reader.limit(None)
    assert read(reader) == [b"two"]


def test_a_limit_before_the_offset_gives_nothing(path: Path, append: Append) -> None:
    append(b"one\ntwo\n")
    reader = LineReader(path, 4)
    reader.limit(2)
    assert read(reader) == []


def test_reader_that_stops_in_a_kept_open_file_closes_no_other_file(tmp_path: Path) -> None:
    path, other = tmp_path / "out.ndjson", tmp_path / "other"
    path.write_bytes(b"line\n" * 3)
    other.write_text("another session's")
    reader = LineReader(path)
    with reader.keep_open():
        lines = reader.read()
        next(lines)
    with other.open() as file:  # which has the same number now
        del lines
        assert file.read() == "another session's"


def test_reader_of_a_released_file_reads_no_other_file(tmp_path: Path) -> None:
    path, other = tmp_path / "out.ndjson", tmp_path / "other"
    path.write_bytes((b"x" * 100_000 + b"\n") * 10)
    other.write_bytes(b"another session's\n" * 100_000)
    reader = LineReader(path)
    with reader.keep_open():
        lines = reader.read()
        next(lines)
    with other.open("rb"):
        assert not [line for line in lines if b"another" in line.data]
