"""Locks on files, and duties: one holder at a time."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.files.file_locks import Duty


def test_a_duty_is_of_one_holder_until_that_leaves_it(tmp_path: Path) -> None:
    first, second = Duty(tmp_path / "lock"), Duty(tmp_path / "lock")
    assert first.take()
    assert first.take()
    assert not second.take()
    first.leave()
    first.leave()
    assert second.take()
    assert not first.take()
    second.leave()


def test_whether_a_lock_is_held_is_seen_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not file_locks.is_held(path), "there is no file"
    with file_locks.held(path):
        assert file_locks.is_held(path)
    assert not file_locks.is_held(path)
