"""Files that several people edit: nobody's text is lost, and the last versions are kept."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.versioned_files import (
    KEPT,
    MOST_BYTES,
    NO_FILE,
    FileChanged,
    FileRefused,
    Place,
    VersionedFiles,
)


@pytest.fixture
def files(tmp_path: Path) -> VersionedFiles:
    return VersionedFiles(tmp_path / "versions")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "settings.json")


def test_file_that_is_missing_has_no_text_and_is_made_by_a_save(
    files: VersionedFiles, place: Place
) -> None:
    assert files.read(place).text == ""
    assert not files.read(place).exists
    saved = files.save(place, "one\n", NO_FILE)
    assert files.read(place) == saved
    assert place.path.read_text() == "one\n"
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o600


def test_save_based_on_another_content_is_refused_with_what_is_there_now(
    files: VersionedFiles, place: Place
) -> None:
    seen = files.save(place, "one\n", NO_FILE)
    place.path.write_text("by a terminal\n")
    with pytest.raises(FileChanged) as refused:
        files.save(place, "mine\n", seen.revision)
    assert refused.value.current.text == "by a terminal\n"
    assert place.path.read_text() == "by a terminal\n"
    files.save(place, "both\n", refused.value.current.revision)
    assert place.path.read_text() == "both\n"


def test_file_that_was_made_meanwhile_is_not_overwritten(
    files: VersionedFiles, place: Place
) -> None:
    place.path.write_text("new\n")
    with pytest.raises(FileChanged):
        files.save(place, "mine\n", NO_FILE)


def test_file_that_was_deleted_meanwhile_is_not_made_again(
    files: VersionedFiles, place: Place
) -> None:
    seen = files.save(place, "one\n", NO_FILE)
    place.path.unlink()
    with pytest.raises(FileChanged) as refused:
        files.save(place, "mine\n", seen.revision)
    assert not refused.value.current.exists


def test_last_versions_are_kept_the_newest_first(files: VersionedFiles, place: Place) -> None:
    revision = NO_FILE
    for number in range(KEPT + 3):
        revision = files.save(place, f"{number}\n", revision).revision
    versions = files.versions(place)
    texts = [files.version(place, each.id) for each in versions]
    assert texts == [f"{number}\n" for number in range(KEPT + 1, 1, -1)]
    assert all(each.size in (2, 3) and each.until > 0 for each in versions)


def test_content_that_somebody_else_wrote_becomes_a_version_when_it_is_replaced(
    files: VersionedFiles, place: Place
) -> None:
    place.path.write_text("by hand\n")
    files.save(place, "mine\n", files.read(place).revision)
    (version,) = files.versions(place)
    assert files.version(place, version.id) == "by hand\n"


def test_deleted_file_can_be_put_back(files: VersionedFiles, place: Place) -> None:
    seen = files.save(place, "one\n", NO_FILE)
    files.remove(place, seen.revision)
    assert not place.path.exists()
    (version,) = files.versions(place)
    files.save(place, files.version(place, version.id) or "", NO_FILE)
    assert place.path.read_text() == "one\n"


def test_versions_of_files_with_the_same_name_are_kept_apart(
    files: VersionedFiles, tmp_path: Path
) -> None:
    one, other = Place(tmp_path / "a" / "CLAUDE.md"), Place(tmp_path / "b" / "CLAUDE.md")
    files.save(one, "2", files.save(one, "1", NO_FILE).revision)
    assert files.versions(other) == []


@pytest.mark.parametrize("version_id", ["../../settings.json", "lock", "", "1-xyz", "9" * 40])
def test_version_is_found_by_its_id_only(
    files: VersionedFiles, place: Place, version_id: str
) -> None:
    files.save(place, "2", files.save(place, "1", NO_FILE).revision)
    assert files.version(place, version_id) is None


def test_permissions_of_a_file_stay(files: VersionedFiles, place: Place) -> None:
    place.path.write_text("one")
    place.path.chmod(0o644)
    files.save(place, "two", files.read(place).revision)
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o644


def test_link_of_a_dotfiles_manager_stays_and_its_target_is_replaced(
    files: VersionedFiles, place: Place, tmp_path: Path
) -> None:
    target = tmp_path / "dotfiles" / "settings.json"
    target.parent.mkdir()
    target.write_text("one")
    place.path.symlink_to(target)
    files.save(place, "two", files.read(place).revision)
    assert place.path.is_symlink()
    assert target.read_text() == "two"


def test_link_that_leads_out_of_the_root_is_neither_read_nor_written(
    files: VersionedFiles, tmp_path: Path
) -> None:
    project, outside = tmp_path / "project", tmp_path / "secret"
    project.mkdir()
    outside.write_text("secret")
    (project / "CLAUDE.md").symlink_to(outside)
    place = Place(project / "CLAUDE.md", root=project)
    with pytest.raises(FileRefused, match="leads out of"):
        files.read(place)
    with pytest.raises(FileRefused, match="leads out of"):
        files.save(place, "mine", NO_FILE)
    assert outside.read_text() == "secret"


def test_folder_that_is_a_link_out_of_the_root_gets_no_file(
    files: VersionedFiles, tmp_path: Path
) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    (project / ".claude").symlink_to(outside)
    with pytest.raises(FileRefused):
        files.save(Place(project / ".claude" / "settings.json", root=project), "{}", NO_FILE)
    assert list(outside.iterdir()) == []


def test_missing_folders_of_a_project_are_made(files: VersionedFiles, tmp_path: Path) -> None:
    place = Place(tmp_path / ".claude" / "commands" / "a" / "b.md", root=tmp_path, new_mode=0o644)
    files.save(place, "text", NO_FILE)
    assert place.path.read_text() == "text"
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o644


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (MOST_BYTES + 1)], ids=["bytes", "large"])
def test_file_that_cannot_be_shown_is_not_overwritten(
    files: VersionedFiles, place: Place, content: bytes
) -> None:
    place.path.write_bytes(content)
    with pytest.raises(FileRefused):
        files.read(place)
    with pytest.raises((FileRefused, FileChanged)):
        files.save(place, "mine", NO_FILE)
    assert place.path.read_bytes() == content


def test_pipe_in_place_of_a_file_is_refused_at_once(files: VersionedFiles, place: Place) -> None:
    os.mkfifo(place.path)
    with pytest.raises(FileRefused):
        files.read(place)


def test_half_a_character_is_refused(files: VersionedFiles, place: Place) -> None:
    with pytest.raises(FileRefused, match="half a character"):
        files.save(place, "\ud800", NO_FILE)


def test_deleted_file_is_put_back_as_it_was(files: VersionedFiles, tmp_path: Path) -> None:
    place = Place(tmp_path / "skills" / "graft" / "SKILL.md", root=tmp_path, new_mode=0o644)
    seen = files.save(place, "one\n", NO_FILE)
    deleted = files.remove(place, seen.revision)
    place.path.parent.rmdir()
    assert [each.place for each in files.all_deleted()] == [place]
    assert files.put_back(deleted.id) == place
    assert place.path.read_text() == "one\n"
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o644
    assert files.all_deleted() == []
    with pytest.raises(FileRefused):
        files.put_back(deleted.id)


@pytest.mark.parametrize("deleted_id", ["", "..", "../x", "0" * 32, "a" * 31 + "/"])
def test_what_was_not_deleted_here_is_not_put_back(files: VersionedFiles, deleted_id: str) -> None:
    assert files.deleted(deleted_id) is None
    with pytest.raises(FileRefused):
        files.put_back(deleted_id)


def test_deleted_file_that_was_made_again_is_not_overwritten(
    files: VersionedFiles, place: Place
) -> None:
    deleted = files.remove(place, files.save(place, "one\n", NO_FILE).revision)
    place.path.write_text("by a terminal\n")
    with pytest.raises(FileRefused):
        files.put_back(deleted.id)
    assert place.path.read_text() == "by a terminal\n"


def test_save_that_changes_nothing_pushes_out_no_earlier_version(
    files: VersionedFiles, place: Place
) -> None:
    seen = files.save(place, "two\n", files.save(place, "one\n", NO_FILE).revision)
    for _ in range(KEPT + 1):
        assert files.save(place, "two\n", seen.revision) == seen
    assert [files.version(place, each.id) for each in files.versions(place)] == ["one\n"]


def test_save_that_fails_pushes_out_no_earlier_version(
    files: VersionedFiles, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = files.save(place, "two\n", files.save(place, "one\n", NO_FILE).revision)

    def full(path: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        for _ in range(KEPT + 1):
            with pytest.raises(OSError, match="full"):
                files.save(place, "three\n", seen.revision)
    assert place.path.read_text() == "two\n"
    assert [files.version(place, each.id) for each in files.versions(place)] == ["one\n"]


@pytest.mark.parametrize("is_there", [True, False])
def test_file_that_is_written_while_a_save_waits_for_the_disk_is_not_overwritten(
    files: VersionedFiles, place: Place, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    seen = files.save(place, "one\n", NO_FILE).revision if is_there else NO_FILE
    sync = atomic_files.sync

    def slow(file: BinaryIO) -> None:
        sync(file)
        place.path.write_text("by a terminal\n")

    monkeypatch.setattr(atomic_files, "sync", slow)
    with pytest.raises(FileChanged) as refused:
        files.save(place, "mine\n", seen)
    assert refused.value.current.text == "by a terminal\n"
    assert place.path.read_text() == "by a terminal\n"
    assert [each.name for each in place.path.parent.glob(".settings*")] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_owner_and_group_of_a_file_are_kept(files: VersionedFiles, place: Place) -> None:
    seen = files.save(place, "one\n", NO_FILE)
    place.path.chmod(0o664)
    os.chown(place.path, 1234, 2345)
    files.save(place, "two\n", seen.revision)
    status = place.path.stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)
    assert stat.S_IMODE(status.st_mode) == 0o664


def test_private_file_that_is_put_back_is_private_again(
    files: VersionedFiles, tmp_path: Path
) -> None:
    shared = Place(tmp_path / "shared.json", root=tmp_path, new_mode=0o644)
    seen = files.save(shared, "one\n", NO_FILE)
    assert stat.S_IMODE(shared.path.stat().st_mode) == 0o644
    shared.path.chmod(0o600)
    deleted = files.remove(shared, seen.revision)
    files.put_back(deleted.id)
    assert shared.path.read_text() == "one\n"
    assert stat.S_IMODE(shared.path.stat().st_mode) == 0o600
