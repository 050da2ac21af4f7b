"""The journal of events: appended to and read by several workers, and bounded."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import gevent
import pytest

from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.events import journal as journal_module
from opcode_htmx.runs.events.journal import FILE_BYTES, Journal, JournalReader, Position


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "events")


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "FILE_BYTES", 20)
    monkeypatch.setattr(journal_module, "KEPT_FILES", 3)


def append(journal: Journal, *lines: str) -> Position:
    with journal.locked() as writer:
        return writer.append([f"{line}\n".encode() for line in lines])


def everything(journal: Journal) -> list[bytes]:
    return list(journal.lines_after(Position(0, 0)))


def test_an_unused_journal_has_no_files(journal: Journal) -> None:
    assert journal.end() == Position(1, 0)
    assert everything(journal) == []
    assert not journal.folder.exists()


def test_lines_are_read_in_the_order_in_which_they_were_appended(journal: Journal) -> None:
    middle = append(journal, "one", "two")
    assert append(journal, "three") == journal.end()
    assert everything(journal) == [b"one", b"two", b"three"]
    assert list(journal.lines_after(middle)) == [b"three"]


def test_the_journal_is_private(journal: Journal) -> None:
    append(journal, "one")
    assert journal.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in journal.folder.iterdir()} == {0o600}


@pytest.mark.usefixtures("small_files")
def test_a_reader_goes_on_into_the_next_file(journal: Journal) -> None:
    reader = JournalReader(journal, journal.end())
    read = []
    for number in range(12):
        append(journal, f"line {number}")
        while lines := reader.read():
            read += lines
    assert read == [b"line %d" % number for number in range(12)]
    assert reader.position == journal.end()
    assert reader.position.number > 1


@pytest.mark.usefixtures("small_files")
def test_the_oldest_files_are_removed(journal: Journal) -> None:
    for number in range(30):
        append(journal, f"line {number}")
    assert len(list(journal.folder.glob("*.ndjson"))) == 3
    left = everything(journal)
    assert left == [b"line %d" % number for number in range(30)][-len(left) :]
    assert 6 <= len(left) <= 9


def test_truncated_line_of_a_killed_writer_affects_no_other(journal: Journal) -> None:
    append(journal, "one")
    reader = JournalReader(journal, Position(1, 0))
    assert reader.read() == [b"one"]
    with (journal.folder / "00000001.ndjson").open("ab") as file:
        file.write(b"half a l")
    assert reader.read() == []
    append(journal, "two")
    assert reader.read() == [b"half a l", b"two"] == everything(journal)[1:]


def test_one_greenlet_appends_at_a_time(journal: Journal) -> None:
    order = []

    def work(name: str) -> None:
        with journal.locked() as writer:
            order.append(f"{name} begins")
            gevent.sleep(0.02)
            writer.append([name.encode() + b"\n"])
            order.append(f"{name} ends")

    gevent.joinall([gevent.spawn(work, name) for name in "ab"], raise_error=True)
    assert order == ["a begins", "a ends", "b begins", "b ends"]


def test_full_disk_is_reported(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    append(journal, "one")

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(DiskFull):
            append(journal, "two")
    append(journal, "three")
    assert everything(journal) == [b"one", b"three"]


def test_a_line_cut_off_in_front_of_its_newline_counts_as_written(journal: Journal) -> None:
    append(journal, "one")
    (file,) = journal.folder.glob("*.ndjson")
    with file.open("ab") as opened:
        opened.write(b"two")
    assert list(journal.lines_after(Position(0, 0), last=True)) == [b"one", b"two"]
    append(journal, "three")
    assert everything(journal) == [b"one", b"two", b"three"]


def test_a_batch_fills_several_files_each_to_its_size(journal: Journal) -> None:
    lines = [str(number % 10).encode() * 100_000 for number in range(50)]
    with journal.locked() as writer:
        end = writer.append([line + b"\n" for line in lines])
    assert everything(journal) == lines
    sizes = [file.stat().st_size for file in sorted(journal.folder.glob("*.ndjson"))]
    assert len(sizes) == end.number == 3
    assert max(sizes) < FILE_BYTES + len(lines[0]) + 2
    assert end == journal.end()


@pytest.mark.parametrize(
    "text", ["", "1", "1.", ".1", "a.b", "-1.0", "1.2.3", "9" * 50 + ".1", "1." + "9" * 20]
)
def test_invalid_position_is_the_beginning(text: str) -> None:
    assert Position.parse(text) == Position(0, 0)


def test_position_round_trips() -> None:
    assert Position.parse(str(Position(12, 3456))) == Position(12, 3456)
