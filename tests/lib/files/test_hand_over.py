"""A text that one worker leaves in a file is taken once, by one other; old files are removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from opcode_htmx.lib.files import atomic_files


def test_a_text_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "code"
    assert atomic_files.taken(path) == ""
    atomic_files.hand_over(path, "secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [atomic_files.taken(path), atomic_files.taken(path)] == ["secret", ""]


def test_a_second_text_is_refused_until_the_first_one_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "code"
    atomic_files.hand_over(path, "first")
    with pytest.raises(FileExistsError):
        atomic_files.hand_over(path, "second")
    assert atomic_files.taken(path) == "first"
    atomic_files.hand_over(path, "second")


def test_a_text_that_is_just_being_written_is_left_until_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "code"
    path.touch()
    assert atomic_files.taken(path) == ""
    path.write_text("secret")
    assert atomic_files.taken(path) == "secret"


def test_only_files_that_were_not_changed_for_so_long_are_removed(tmp_path: Path) -> None:
    old, new, gone = (tmp_path / name for name in ("old", "new", "gone"))
    old.touch()
    new.touch()
    os.utime(old, times=(0, time.time() - 61))
    atomic_files.remove_old([gone, old, new], 60.0)
    assert list(tmp_path.iterdir()) == [new]
