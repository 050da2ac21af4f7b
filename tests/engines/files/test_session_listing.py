"""The session files of a folder: changes are listed at once, unchanged files are not read again."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import monkey

from opcode_htmx.engines.claude.files import session_listing
from opcode_htmx.engines.claude.files.lists import watches as kernel
from opcode_htmx.engines.claude.files.lists.watches import file_system
from opcode_htmx.engines.claude.files.session_listing import Folders
from opcode_htmx.lib.concurrency import cooperative
from opcode_htmx.lib.files import inotify

ONE = "11111111-1111-4111-8111-111111111111.jsonl"
TWO = "22222222-2222-4222-8222-222222222222.jsonl"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "projects" / "-home-me-shop"
    folder.mkdir(parents=True)
    (folder / ONE).write_text("1")
    return folder


@pytest.fixture(params=["kernel events", "listed every time", "no inotify left"])
def listed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folders]:
    if request.param == "listed every time":
        monkeypatch.setattr(kernel, "LOCAL_FILE_SYSTEMS", frozenset())
    if request.param == "no inotify left":
        monkeypatch.setattr(kernel, "watches", lambda: None)
    found = Folders()
    yield found
    found.close()


def names(listed: Folders, project: Path) -> set[str]:
    return {file.name for file in listed.look(project).files}


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
    other = project / TWO
    for _ in range(9000):  # its queue holds 16384 events
        other.write_text("")
        other.unlink()
    (project / ONE).unlink()
    assert names(listed, project) == set()


@pytest.fixture
def checked(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that are listed and of the files that are checked."""
    if file_system(project.resolve()) not in kernel.LOCAL_FILE_SYSTEMS:
        pytest.skip("the kernel does not report what changes here")
    calls: list[str] = []
    list_folder, check_file = os.scandir, session_listing._file_in

    def scandir(path: Path) -> object:
        calls.append(path.name)
        return list_folder(path)

    def file_in(folder: Path, name: str, watches: Any) -> object:
        calls.append(name)
        return check_file(folder, name, watches)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(session_listing, "_file_in", file_in)
    return calls


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


def test_a_change_while_a_folder_is_read_is_not_lost(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Folders()
    written, heard = (monkey.get_original("threading", "Event")() for _ in range(2))
    real = session_listing._files

    def slow(folder: Path, watches: Any) -> object:
        found = real(folder, watches)
        if folder != project:
            return found
        (project / TWO).write_text("2")
        written.set()
        assert heard.wait(10)
        return found

    monkeypatch.setattr(session_listing, "_files", slow)
    listing = gevent.spawn(names, listed, project)
    while not written.is_set():
        gevent.sleep(0.001)
    listed.look(project.parent)  # reads all events
    heard.set()
    assert listing.get(timeout=10) == {ONE}
    assert names(listed, project) == {ONE, TWO}
    listed.close()


def test_new_folders_are_listed_in_one_turn_of_a_thread(
    listed: Folders, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[object] = []
    real = cooperative.run_in_thread

    def turn(function: Any, *arguments: Any) -> Any:
        turns.append(function)
        return real(function, *arguments)

    others = [project.with_name(f"p{number}") for number in range(3)]
    for other in others:
        other.mkdir()
        (other / ONE).write_text("1")
    others[1].rename(project.with_name("gone"))
    monkeypatch.setattr(session_listing, "run_in_thread", turn)
    listed._list_together([*others, project])
    assert len(turns) == 1
    found = listed.look_at_all([*others, project])
    assert [each.folder for each in found] == [others[0], others[2], project]
    (others[2] / TWO).write_text("2")
    assert names(listed, others[2]) == {ONE, TWO}


def test_a_change_while_folders_are_listed_together_is_not_lost(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Folders()
    real = session_listing._files_of_all

    def changing(folders: Any) -> object:
        found = real(folders)
        (project / TWO).write_text("2")
        return found

    monkeypatch.setattr(session_listing, "_files_of_all", changing)
    (first,) = listed.look_at_all([project])
    assert [file.name for file in first.files] == [ONE]
    assert names(listed, project) == {ONE, TWO}
    listed.close()


def test_folders_whose_listing_was_interrupted_are_listed_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Folders()
    with monkeypatch.context() as broken:
        broken.setattr(session_listing, "_files_of_all", lambda folders: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            listed.look_at_all([project])
    assert not listed._kept
    assert names(listed, project) == {ONE}
    listed.close()


class YieldsAlways:
    """In place of a TimeSlicer."""

    def step(self) -> None:
        gevent.sleep(0)


def test_greenlets_that_list_the_same_folders_end_also_when_some_are_killed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooperative, "TimeSlicer", YieldsAlways)
    folders = [project.with_name(f"p{number}") for number in range(6)]
    for folder in folders:
        folder.mkdir()
        (folder / ONE).write_text("1")
    for killed_after in range(9):
        listed = Folders()
        overlapping = [folders, folders[::-1], [*folders[2:], *folders[2:5]], folders[3:]]
        greenlets = [gevent.spawn(listed.look_at_all, each) for each in overlapping]
        for _ in range(killed_after):
            gevent.sleep(0)
        greenlets[0].kill(block=False)
        (folders[4] / TWO).write_text("2")
        gevent.joinall(greenlets[1:], timeout=10, raise_error=True)
        assert all(each.ready() for each in greenlets)
        for folder in folders:
            assert names(listed, folder) == {path.name for path in folder.iterdir()}
        assert all(kept.is_read for kept in listed._kept.values())
        (folders[4] / TWO).unlink()
        assert names(listed, folders[4]) == {ONE}
        listed.close()


def test_a_greenlet_that_is_killed_between_two_folders_keeps_none_of_them(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooperative, "TimeSlicer", YieldsAlways)
    other = project.with_name("zebra")
    other.mkdir()
    listed = Folders()
    greenlet = gevent.spawn(listed.look_at_all, [project, other])
    while not listed._kept:
        gevent.sleep(0)
    greenlet.kill()
    assert not listed._kept
    project.rename(project.with_name("moved"))
    project.symlink_to(other)
    (other / TWO).write_text("2")
    assert names(listed, project) == {TWO}
    listed.close()


def test_two_greenlets_list_a_folder_once(project: Path, checked: list[str]) -> None:
    listed = Folders()
    both = [gevent.spawn(listed.look, project) for _ in range(2)]
    gevent.joinall(both, raise_error=True)
    assert both[0].value is both[1].value
    assert checked == [project.name, ONE]
    listed.close()


def test_a_folder_that_vanishes_while_it_is_read_is_not_kept(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Folders()

    def gone(folder: Path, watches: Any) -> object:
        raise FileNotFoundError(folder)

    with monkeypatch.context() as broken:
        broken.setattr(session_listing, "_files", gone)
        with pytest.raises(FileNotFoundError):
            listed.look(project)
    assert names(listed, project) == {ONE}
    listed.close()


def test_listings_are_not_kept_without_bound(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_listing, "MOST", 3)
    listed = Folders()
    others = [project.with_name(f"p{number}") for number in range(5)]
    for other in others:
        other.mkdir()
        listed.look(other)
    assert len(listed._kept) == 3
    (others[0] / ONE).write_text("1")
    assert names(listed, others[0]) == {ONE}
    listed.close()


def test_the_file_system_of_a_path_is_that_of_the_innermost_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw\n"
        "2 1 0:9 / /home rw - nfs4 server:/ rw\n"
        "3 1 0:8 / /home/my\\040disk rw - fuse.sshfs x rw\n"
        "4 1 0:8 / /twice rw - ext4 x rw\n"
        "5 1 0:8 / /twice rw - virtiofs x rw\n"
        "half a line\n"
    )
    found = {
        path: file_system(Path(path), mounts)
        for path in ("/srv/x", "/home/me", "/homes", "/home/my disk/x", "/twice/x")
    }
    assert found == {
        "/srv/x": "ext4",
        "/home/me": "nfs4",
        "/homes": "ext4",
        "/home/my disk/x": "fuse.sshfs",
        "/twice/x": "virtiofs",
    }
    assert file_system(Path("/x"), tmp_path / "none") == ""
