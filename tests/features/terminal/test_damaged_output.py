"""A viewer of a terminal whose output is damaged on the disk: it goes on where it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.features.terminal.live import READ_BYTES, Viewer
from opcode_htmx.features.terminal.newest import newest_lines
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.pty import records, segments
from opcode_htmx.lib.pty.records import Kind

DAMAGE = b"\xff" * 64


class Page:
    """A page, as far as its socket goes; it goes after a number of messages."""

    def __init__(self, most: int = 100) -> None:
        self.sent: list[Any] = []
        self.most = most

    @property
    def connected(self) -> bool:
        return len(self.sent) < self.most

    def send(self, message: Any) -> None:
        self.sent.append(message)


def write(folder: Path, *contents: bytes) -> None:
    """Segments, one after the other, each with its state before its content."""
    folder.mkdir()
    at = 0
    for each in contents:
        whole = records.of_state(80, 24, b"") + each
        (folder / f"{at:020d}").write_bytes(whole)
        at += len(whole)


def shown(folder: Path, cursor: int | None = None) -> list[bytes]:
    """What a page is sent of a terminal that has ended, without the cursors."""
    page: Any = Page()
    viewer = Viewer(page, segments.SegmentReader(folder, cursor or 0), Broadcast())
    if cursor is not None:
        viewer.continues()
    assert viewer.send_output(None), "it ends by itself"
    return [message[:1] + message[9:] for message in page.sent]


@pytest.mark.parametrize("cursor", [None, 0])
@pytest.mark.parametrize("where", ["begin", "after the state", "after much"])
def test_damage_in_the_newest_segment_ends_no_viewer_and_is_sent_once(
    tmp_path: Path, where: str, cursor: int | None
) -> None:
    much = records.encode(Kind.DATA, b"x" * 1000) * (2 * READ_BYTES // 1000)
    write(tmp_path / "out", {"after much": much}.get(where, b"") + DAMAGE)
    if where == "begin":
        (tmp_path / "out" / f"{0:020d}").write_bytes(DAMAGE)
    found = shown(tmp_path / "out", cursor)
    states = [each for each in found if each.startswith(b"S")]
    assert len(states) == (where != "begin")
    assert sum(map(len, found)) < 2 * len(much) + 100, "from a cursor it begins again, once"


def test_a_viewer_goes_on_behind_a_damaged_segment(tmp_path: Path) -> None:
    write(tmp_path / "out", DAMAGE, records.encode(Kind.DATA, b"pear"))
    assert shown(tmp_path / "out")[-1] == b"Dpear"
    assert shown(tmp_path / "out", 0)[-1] == b"Dpear"


def test_a_wrong_cursor_gets_all_of_the_newest_segment(tmp_path: Path) -> None:
    write(tmp_path / "out", records.encode(Kind.DATA, b"a plum and a pear"))
    assert shown(tmp_path / "out", 15) == shown(tmp_path / "out")


def test_two_damaged_segments_end_no_viewer(tmp_path: Path) -> None:
    write(tmp_path / "out", DAMAGE, DAMAGE)
    assert [each[:1] for each in shown(tmp_path / "out", 0)] == [b"S"]


def test_what_was_written_before_the_damage_is_shown(tmp_path: Path) -> None:
    write(tmp_path / "out", records.encode(Kind.DATA, b"plum\r\n") + DAMAGE)
    assert shown(tmp_path / "out")[-1] == b"Dplum\r\n"
    assert newest_lines(tmp_path / "out") == "plum"
    write(
        tmp_path / "other",
        records.encode(Kind.DATA, b"pear") + records.encode(Kind.SIZE, b"x") + DAMAGE,
    )
    assert newest_lines(tmp_path / "other") == "pear"
