"""How far a session was read, in all workers and after a restart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.transcript.conversation import window
from tests.transcript.metadata import assistant, fold


def test_newest_read_positions_survive_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opcode_htmx.sessions.storage.read_positions.KEPT", 2)
    path = tmp_path / "marks.json"
    marks = ReadPositions(path)
    marks.look("one", "b-1")
    marks.look("two", "b-2")
    marks.look("one")
    marks.look("three", "b-3")
    later = ReadPositions(path)
    assert [later.of(name).block for name in ("one", "two", "three")] == ["b-1", "", "b-3"]
    assert later.since == later.of("two").at == marks.since
    assert path.stat().st_mode & 0o077 == 0


def test_workers_share_read_positions_without_overwriting(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    one, other = ReadPositions(path), ReadPositions(path)
    one.look("plums", "b-1")
    other.look("pears", "b-2")
    for worker in (one, other, ReadPositions(path)):
        assert [worker.of(name).block for name in ("plums", "pears")] == ["b-1", "b-2"]


def test_a_read_position_of_the_future_ends_with_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks, now = ReadPositions(tmp_path / "marks.json"), 1795277175.0

    def set_clock(at: float) -> None:
        monkeypatch.setattr("opcode_htmx.sessions.storage.read_positions.time.time", lambda: at)

    set_clock(now + 86_400)
    marks.look("one", "b-1")
    marks.look("two", "b-2")
    set_clock(now)
    marks.look("one")
    marks.count_as_seen(["two"], now - 5)
    assert [marks.of(name).at for name in ("one", "two")] == [now, now - 5]
    assert [marks.of(name).block for name in ("one", "two")] == ["b-1", "b-2"]
    marks.count_as_seen(["one"], now - 5)
    assert marks.of("one").at == now, "it was viewed after the list was shown"


def test_positions_that_began_with_a_clock_that_was_ahead_begin_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, path = 1795277175.0, tmp_path / "marks.json"

    def set_clock(at: float) -> None:
        monkeypatch.setattr("opcode_htmx.sessions.storage.read_positions.time.time", lambda: at)

    set_clock(now + 86_400)
    marks = ReadPositions(path)
    marks.begin()
    marks.look("one", "b-1")
    set_clock(now)
    assert marks.since == now
    set_clock(now + 60)
    assert marks.since == now, "what ends since the clock was set is new"
    marks.look("two")
    assert ReadPositions(path).since == now
    set_clock(now + 90)
    ReadPositions(path).begin()
    assert [marks.of(name).at for name in ("one", "two")] == [now + 90, now + 60]
    assert marks.since == now


def test_a_server_that_starts_ends_a_beginning_that_is_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, path = 1795277175.0, tmp_path / "marks.json"
    path.write_text(json.dumps({"version": 1, "since": now + 86_400, "sessions": {}}))
    monkeypatch.setattr("opcode_htmx.sessions.storage.read_positions.time.time", lambda: now)
    ReadPositions(path).begin()
    assert json.loads(path.read_bytes())["since"] == now


@pytest.mark.parametrize("content", ["", "[]", '{"since": 1, "sessions": {"a": 3}}'])
def test_unreadable_read_positions_are_reset(tmp_path: Path, content: str) -> None:
    path = tmp_path / "marks.json"
    path.write_text(content)
    marks = ReadPositions(path)
    marks.look("one", "b-1")
    assert ReadPositions(path).of("one").block == "b-1"


def test_new_blocks_are_counted_and_on_the_first_page() -> None:
    lines = [assistant(f"m{n}", {"type": "text", "text": f"{n}"}) for n in range(200)]
    blocks = fold(*lines).blocks
    ids = [block.id for block in blocks]
    assert window.count_after(blocks, ids[150]) == 49
    assert window.newest(blocks, None, ids[150]).first == ids[150]
    assert window.newest(blocks, None, ids[20]).first == ids[200 - window.FIRST], "too far up"
    assert window.newest(blocks, None, ids[199]).first == ids[200 - window.FIRST]
    assert window.count_after(blocks, "unknown") == window.count_after(blocks, "") == 0
