"""The output of a terminal on the disk: bounded, readable from any cursor, whole after a crash."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from opcode_htmx.lib.pty import segments
from opcode_htmx.lib.pty.records import Damaged, Exit, Kind, Record
from opcode_htmx.lib.pty.segments import SegmentReader, SegmentWriter


def everything(reader: SegmentReader, most: int = 1 << 20) -> list[Record]:
    found: list[Record] = []
    while records := reader.read(most)[0]:
        found += records
    return found


def text(found: list[Record]) -> bytes:
    return b"".join(each.content for each in found if each.kind is Kind.DATA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_records_are_read_in_their_order(folder: Path) -> None:
    writer = SegmentWriter(folder, 80, 24)
    writer.data(b"apple")
    writer.size(40, 50)
    writer.data(b"pear")
    writer.end(-9, 7.0)
    found = everything(SegmentReader(folder, 0))
    kinds = [each.kind for each in found]
    assert kinds == [Kind.STATE, Kind.DATA, Kind.SIZE, Kind.DATA, Kind.END]
    assert (found[0].size, found[2].size) == ((80, 24), (40, 50))
    assert segments.end_of(folder) == (writer.offset, Exit(-9, 7.0))


@pytest.mark.parametrize("most", [1, 100, 4096])
def test_a_reader_goes_on_from_any_cursor(folder: Path, most: int) -> None:
    writer = SegmentWriter(folder, 80, 24)
    for number in range(100):
        writer.data(b"%d apples\r\n" % number)
    found = everything(SegmentReader(folder, 0), most)
    assert text(found) == b"".join(b"%d apples\r\n" % number for number in range(100))
    for record in found[::17]:
        rest = everything(SegmentReader(folder, record.end), most)
        assert rest == found[found.index(record) + 1 :]


def test_the_newest_segments_are_kept_and_each_begins_with_the_state(folder: Path) -> None:
    writer = SegmentWriter(folder, 80, 24)
    writer.data(b"\x1b[?1049h\x1b[31m")
    for _ in range(40):
        writer.data(b"x" * 100_000)
    starts = segments.starts_in(folder)
    assert len(starts) == segments.KEPT
    assert sum(path.stat().st_size for path in folder.iterdir()) < segments.KEPT * 400_000
    reader = SegmentReader(folder, 0)
    found, gap = reader.read(1000_000)
    assert gap
    assert (found[0].kind, found[0].restores) == (Kind.STATE, b"\x1b[?1049h\x1b[31m")
    rest = [*found, *everything(reader)]
    assert all(before.end < after.end for before, after in pairwise(rest))
    assert rest[-1].end == writer.offset


def test_a_segment_ends_between_characters(folder: Path) -> None:
    writer = SegmentWriter(folder, 80, 24)
    apples = "äpfel ".encode() * 50_000
    for at in range(0, len(apples), 999):
        writer.data(apples[at : at + 999])
    for start in segments.starts_in(folder):
        text(everything(SegmentReader(folder, start))).decode()


def test_output_without_a_place_to_cut_is_cut_all_the_same(folder: Path) -> None:
    writer = SegmentWriter(folder, 80, 24)
    for _ in range(40):
        writer.data(b"\x1b]0;" + b"x" * 3000 + b"\x1b[")
    for _ in range(200):
        writer.data(b"9" * 3000 + b"\x1b[")
    assert len(segments.starts_in(folder)) > 1


def test_a_partial_record_is_not_read_and_later_ones_are(folder: Path) -> None:
    writer = SegmentWriter(folder, 80, 24)
    writer.data(b"apple")
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-2])
    reader = SegmentReader(folder, 0)
    assert text(everything(reader)) == b""
    path.write_bytes(whole)
    assert text(everything(reader)) == b"apple"


def test_what_is_no_record_is_damaged(folder: Path) -> None:
    SegmentWriter(folder, 80, 24).data(b"apple pie")
    with pytest.raises(Damaged):
        SegmentReader(folder, 3).read(100)


def test_the_newest_output_is_found_without_reading_all(folder: Path) -> None:
    writer = SegmentWriter(folder, 80, 24)
    for number in range(300):
        writer.data(b"%d" % number + b"x" * 5000)
    newest = b"".join(segments.newest_output(folder, 1000))
    assert newest.endswith(b"299" + b"x" * 5000)
    assert len(newest) < 2 * segments.MOST_BYTES
