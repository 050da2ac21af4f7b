"""Unchanged session files are not read again, also those with several names."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.files.session_listing import Folders
from opcode_htmx.lib.files import inotify
from tests.engines.files.listing.names import ONE, TWO, names


def test_only_changed_files_of_a_folder_are_checked(project: Path, checked: list[str]) -> None:
    listed = Folders()
    before = listed.look(project)
    assert checked == [project.name, ONE]
    checked.clear()
    assert listed.look(project) is before
    (project / "notes.txt").write_text("no session")
    assert listed.look(project) is before
    assert checked == []
    (project / TWO).write_text("2")
    assert listed.look(project) is not before
    assert checked == [TWO]
    listed.close()


def test_files_with_several_names_are_checked_only_when_one_is_written(
    project: Path, tmp_path: Path, checked: list[str]
) -> None:
    """As after a backup by `cp -al`."""
    backup = tmp_path / "backup"
    backup.mkdir()
    (project / TWO).write_text("2")
    for name in (ONE, TWO):
        (backup / name).hardlink_to(project / name)
    listed = Folders()
    before = listed.look(project)
    checked.clear()
    assert listed.look(project) is before
    assert checked == []
    with (backup / TWO).open("a") as file:
        file.write("more")
    assert [file.size for file in listed.look(project).files] == [1, 5]
    assert checked == [TWO]
    (project / TWO).unlink()  # what is written to the backup now is no session's any more
    assert names(listed, project) == {ONE}
    (backup / TWO).write_text("again")
    (backup / ONE).unlink()
    assert names(listed, project) == {ONE}
    checked.clear()
    (backup / TWO).write_text("and again")
    with (project / ONE).open("a") as file:
        file.write("own")
    assert listed.look(project).files[0].size == 4
    assert checked == [ONE]
    assert listed._watches is not None and listed._watches._file_watches == {}
    listed.close()


def test_two_names_of_one_file_in_watched_folders_are_both_up_to_date(project: Path) -> None:
    other = project.with_name("-copy")
    other.mkdir()
    (other / ONE).hardlink_to(project / ONE)
    listed = Folders()
    for folder in (project, other):
        assert listed.look(folder).files[0].size == 1
    for size, folder in enumerate((project, other, project), 2):
        with (folder / ONE).open("a") as file:
            file.write("x")
        assert [listed.look(each).files[0].size for each in (project, other)] == [size, size]
    (other / ONE).replace(other / TWO)
    assert names(listed, other) == {TWO}
    with (other / TWO).open("a") as file:
        file.write("x")
    assert [listed.look(each).files[0].size for each in (project, other)] == [5, 5]
    listed.close()


def test_without_a_watch_left_a_file_with_several_names_is_checked_every_time(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.hardlink_to(project / ONE)
    real = inotify.Inotify.add

    def add(instance: Any, path: Path | str, mask: int) -> int:
        if Path(path).is_file():
            raise OSError(errno.ENOSPC, "the limit of inotify watches is reached")
        return real(instance, path, mask)

    monkeypatch.setattr(inotify.Inotify, "add", add)
    listed = Folders()
    for size in (2, 3):
        listed.look(project)
        with other.open("a") as file:
            file.write("x")
        assert listed.look(project).files[0].size == size
    listed.close()
