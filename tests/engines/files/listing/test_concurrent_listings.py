"""No change during a listing is lost, and what was interrupted is listed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import monkey

from opcode_htmx.engines.claude.files import session_listing
from opcode_htmx.engines.claude.files.lists.watches import file_system
from opcode_htmx.engines.claude.files.session_listing import Folders
from opcode_htmx.lib.concurrency import cooperative
from tests.engines.files.listing.names import ONE, TWO, names
from tests.support.environment import PATIENCE


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
        assert heard.wait(PATIENCE)
        return found

    monkeypatch.setattr(session_listing, "_files", slow)
    listing = gevent.spawn(names, listed, project)
    while not written.is_set():
        gevent.sleep(0.001)
    listed.look(project.parent)  # reads all events
    heard.set()
    assert listing.get(timeout=PATIENCE) == {ONE}
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
        gevent.joinall(greenlets[1:], timeout=PATIENCE, raise_error=True)
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
