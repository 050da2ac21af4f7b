"""The session files of a folder: changes are listed at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files.session_listing import Folders
from tests.engines.files.listing.names import ONE, TWO, names


def test_new_changed_replaced_or_removed_file_is_listed_at_once(
    listed: Folders, project: Path
) -> None:
    assert names(listed, project) == {ONE}
    (project / TWO).write_text("2")
    assert names(listed, project) == {ONE, TWO}
    with (project / TWO).open("a") as file:
        file.write("more")
        file.flush()
        assert listed.look(project).files[1].size == 5
        file.write("again")
    assert listed.look(project).files[1].size == 10
    (project / ONE).write_text("x" * 30)
    (project / ONE).replace(project / TWO)
    assert [(file.name, file.size) for file in listed.look(project).files] == [(TWO, 30)]
    os.utime(project / TWO, (9, 9))
    assert listed.look(project).files[0].mtime_ns == 9_000_000_000
    (project / TWO).unlink()
    assert names(listed, project) == set()


def test_a_change_of_permissions_is_a_change(listed: Folders, project: Path) -> None:
    before = listed.look(project)
    (project / ONE).chmod(0o600)
    assert listed.look(project) is not before


def test_unchanged_folder_gives_the_same_listing(listed: Folders, project: Path) -> None:
    before = listed.look(project)
    assert listed.look(project) is before
    (project / "notes.txt").write_text("no session")
    assert listed.look(project) is before


def test_replaced_folder_is_listed_again(listed: Folders, project: Path) -> None:
    assert names(listed, project) == {ONE}
    project.parent.rename(project.parent.with_name("before"))  # not an event in its own folder
    project.mkdir(parents=True)
    assert names(listed, project) == set()
    (project / TWO).write_text("2")
    assert names(listed, project) == {TWO}
    for file in project.iterdir():
        file.unlink()
    project.rmdir()
    with pytest.raises(FileNotFoundError):
        listed.look(project)
    project.mkdir()
    (project / ONE).write_text("1")
    assert names(listed, project) == {ONE}


def test_a_file_that_is_written_under_another_name_is_seen(
    listed: Folders, project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.hardlink_to(project / ONE)
    assert listed.look(project).files[0].size == 1
    with other.open("a") as file:
        file.write("more")
    assert listed.look(project).files[0].size == 5


def test_only_session_files_are_listed(listed: Folders, project: Path) -> None:
    for name in ("agent-1.jsonl", f"{ONE}.bak", "x.jsonl"):
        (project / name).write_text("x")
    (project / TWO).mkdir()
    assert names(listed, project) == {ONE}


def test_symbolic_link_counts_as_its_target_and_is_watched(
    listed: Folders, project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere.jsonl"
    other.write_text("22")
    (project / TWO).symlink_to(other)
    assert [file.size for file in listed.look(project).files] == [1, 2]
    with other.open("a") as file:
        file.write("more")
    assert [file.size for file in listed.look(project).files] == [1, 6]
    other.unlink()
    assert names(listed, project) == {ONE}


def test_a_folder_and_a_link_to_it_are_both_up_to_date(listed: Folders, project: Path) -> None:
    link = project.with_name("-link")
    link.symlink_to(project)
    for folder in (project, link, project):
        assert names(listed, folder) == {ONE}
    (project / TWO).write_text("2")
    assert names(listed, project) == names(listed, link) == {ONE, TWO}
    (link / ONE).unlink()
    assert names(listed, project) == names(listed, link) == {TWO}


def test_retargeted_link_is_listed_again(listed: Folders, project: Path, tmp_path: Path) -> None:
    link, other = project.with_name("-link"), tmp_path / "other"
    other.mkdir()
    (other / TWO).write_text("2")
    link.symlink_to(project)
    assert names(listed, link) == {ONE}
    link.unlink()
    link.symlink_to(other)
    assert names(listed, link) == {TWO}


def test_more_changes_than_the_kernel_keeps_are_not_missed(listed: Folders, project: Path) -> None:
    assert names(listed, project) == {ONE}
    two = project / "notes.txt", project / "plans.txt"
    for path in two:
        path.touch()
    for turn in range(17_000):  # its queue holds 16384 events, and joins those that are alike
        os.utime(two[turn % 2])
    (project / ONE).unlink()
    assert names(listed, project) == set()
