"""Folders are listed and made below the project roots only, whatever is typed or put in the way."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from opcode_htmx.features.folders import listing
from opcode_htmx.features.folders.listing import NOT_UTF8, OUTSIDE, Listing, list_folders
from opcode_htmx.features.folders.picker import FolderPicker
from opcode_htmx.lib.files import confined
from opcode_htmx.runs.policies.working_folders import (
    FolderMissing,
    InvalidFolder,
    WorkingFolders,
    reference,
)
from opcode_htmx.sessions.folder_labels import name_of, place_of
from opcode_htmx.sessions.workspace import Workspace


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    (home / "work").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return home / "work"


@pytest.fixture
def folders(root: Path) -> WorkingFolders:
    return WorkingFolders([root])


@pytest.fixture
def picker(root: Path, tmp_path: Path) -> FolderPicker:
    return FolderPicker(Workspace(tmp_path / "config", [root]))


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True)


def names(found: Listing) -> list[str]:
    return [entry.name for entry in found.entries]


def test_folders_are_listed_by_name_without_files_and_hidden_ones(
    root: Path, folders: WorkingFolders
) -> None:
    make(root, "b", "A", "c/.git", ".hidden")
    (root / "file").touch()
    found = list_folders(folders, root)
    assert names(found) == ["A", "b", "c"]
    assert [entry.is_git for entry in found.entries] == [False, False, True]
    assert (found.found, found.hidden, found.is_partial) == (3, 1, False)
    assert names(list_folders(folders, root, with_hidden=True)) == [".hidden", "A", "b", "c"]
    assert names(list_folders(folders, root, query=".h")) == [".hidden"]


def test_a_query_finds_parts_of_names_and_their_beginnings_first(
    root: Path, folders: WorkingFolders
) -> None:
    make(root, "my-shop", "Shop", "shopping", "garden")
    assert names(list_folders(folders, root, query="shop")) == ["Shop", "shopping", "my-shop"]
    assert names(list_folders(folders, root, query="SHOP", is_prefix=True)) == ["Shop", "shopping"]


def test_a_link_is_resolved_and_one_that_leads_out_cannot_be_chosen(
    root: Path, folders: WorkingFolders
) -> None:
    make(root, "real/.git")
    (root / "inside").symlink_to(root / "real")
    (root / "out").symlink_to(root.parents[1] / "outside")
    (root / "circle").symlink_to(root / "circle")
    inside, out, real = list_folders(folders, root).entries
    assert (inside.path, inside.is_link, inside.is_git) == (root / "real", True, True)
    assert (out.name, out.obstacle, out.is_git) == ("out", OUTSIDE, False)
    assert not real.is_link


def test_thousands_of_folders_are_cut_and_counted(
    root: Path, folders: WorkingFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(root, *(f"n{number:03}" for number in range(30)))
    found = list_folders(folders, root, most=10)
    assert (len(found.entries), found.found) == (10, 30)
    monkeypatch.setattr(listing, "MOST_READ", 5)
    assert list_folders(folders, root).is_partial


@pytest.mark.parametrize("function", ["scandir", "listdir"])
def test_a_folder_that_cannot_be_read_says_so(
    root: Path, picker: FolderPicker, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """Refused by the system: root, who may run the tests, reads everything."""
    make(root, "secret")
    system = getattr(os, function)

    def denied(path: int | str | Path) -> object:
        if isinstance(path, int):
            path = Path(f"/proc/self/fd/{path}").readlink()
        if Path(path) == root / "secret":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return system(path)

    monkeypatch.setattr(os, function, denied)
    view = picker.view(str(root / "secret"), "", "")
    assert view.error.startswith(f"“{root}/secret” cannot be ")
    assert view.error.endswith(": permission denied.")


def test_a_link_that_takes_the_place_of_a_folder_is_not_followed(
    root: Path, folders: WorkingFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is put there after the path was resolved, and before the folder is opened."""
    outside = root.parents[1] / "outside"
    below = confined._below

    def swapped(path: Path, under: Path) -> tuple[Path, tuple[str, ...]]:
        found = below(path, under)
        (root / "a").rmdir()
        (root / "a").symlink_to(outside)
        return found

    monkeypatch.setattr(confined, "_below", swapped)
    make(root, "a")
    with pytest.raises(InvalidFolder):
        list_folders(folders, root / "a")
    (root / "a").unlink()
    make(root, "a")
    with pytest.raises(InvalidFolder, match="cannot be made"):
        folders.make(str(root / "a" / "new"))
    assert list(outside.iterdir()) == []


def test_a_missing_folder_is_made_with_those_on_the_way(
    root: Path, folders: WorkingFolders
) -> None:
    with pytest.raises(FolderMissing) as missing:
        folders.choose(f"{root}/a/b")
    assert missing.value.path == root / "a" / "b"
    assert folders.make(f"{root}/a/b") == root / "a" / "b"
    assert folders.make("~/work/a/b") == root / "a" / "b"


@pytest.mark.parametrize(
    "text",
    ["/nowhere/x", "{root}/../x", "{root}/out/x", "{root}/dangling", "{root}-x", "{root}/\0x", ""],
)
def test_nothing_is_made_outside_of_the_roots(
    root: Path, folders: WorkingFolders, text: str
) -> None:
    outside = root.parents[1] / "outside"
    (root / "out").symlink_to(outside)
    (root / "dangling").symlink_to(outside / "new")
    before = sorted(root.parent.rglob("*"))
    with pytest.raises(InvalidFolder):
        folders.make(text.format(root=root))
    assert (sorted(root.parent.rglob("*")), list(outside.iterdir())) == (before, [])


def test_a_folder_below_a_file_cannot_be_made(root: Path, folders: WorkingFolders) -> None:
    (root / "file").touch()
    with pytest.raises(InvalidFolder, match="cannot be"):
        folders.make(f"{root}/file/x")


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "/abs", "a\0", "a\nb", "x" * 256])
def test_a_new_folder_has_a_plain_name(root: Path, picker: FolderPicker, name: str) -> None:
    with pytest.raises(InvalidFolder, match="name may not"):
        picker.make(str(root), name)
    assert list(root.iterdir()) == []


def test_a_second_tap_on_new_folder_takes_the_first_ones(root: Path, picker: FolderPicker) -> None:
    assert picker.make(str(root), "fresh") == picker.make(str(root), "fresh") == root / "fresh"
    make(root, "fresh/used")
    with pytest.raises(InvalidFolder, match="already"):
        picker.make(str(root), "fresh")


@pytest.mark.parametrize("name", ["new\nline", " padded ", "tr\u202eick", "a%0Ab", "~", "مشروع"])
def test_a_folder_of_any_name_has_a_text_that_a_form_keeps(
    root: Path, folders: WorkingFolders, name: str
) -> None:
    make(root, name)
    text = reference(root / name)
    assert text == text.strip()
    assert "\n" not in text
    assert folders.choose(text) == root / name


def test_a_name_that_is_not_utf8_is_listed_and_refused(root: Path, folders: WorkingFolders) -> None:
    path = root / os.fsdecode(b"caf\xe9")
    path.mkdir()
    (entry,) = list_folders(folders, root).entries
    assert entry.obstacle == NOT_UTF8
    with pytest.raises(InvalidFolder, match="not UTF-8"):
        folders.choose(reference(path))
    with pytest.raises(InvalidFolder, match="NUL"):
        folders.choose(f"file://{root}/a%00b")


def test_a_typed_path_is_completed_and_its_end_becomes_the_new_folder(
    root: Path, picker: FolderPicker
) -> None:
    make(root, "orchard/trees", "organ", "my-or")
    view = picker.view("", f"{root}/or", "")
    assert view.listing
    assert (view.path, names(view.listing), view.error) == (root, ["orchard", "organ"], "")
    assert view.new_name == "or"
    view = picker.view("", "~/work/orchard", "")
    assert view.listing
    assert (view.path, names(view.listing)) == (root / "orchard", ["trees"])
    view = picker.view("", f"{root}/none/such", "")
    assert (view.path, view.error) == (root, f"There is no folder “{root}/none/such”.")
    view = picker.view("", "/etc/ss", "")
    assert view.path == root
    assert "outside" in view.error
    assert picker.view("", "~nobody-of-this-name/x", "").path == root


def test_the_picker_begins_around_the_chosen_folder_and_never_above_the_roots(
    root: Path, picker: FolderPicker
) -> None:
    make(root, "a/b")
    assert picker.view("", "", str(root / "a" / "b")).path == root / "a"
    for chosen in (str(root), "", "/etc", str(root / "gone")):
        assert picker.view("", "", chosen).path == root
    assert [crumb.path for crumb in picker.crumbs(root / "a" / "b")] == [
        root,
        root / "a",
        root / "a" / "b",
    ]


def test_a_default_name_is_free(root: Path, picker: FolderPicker) -> None:
    assert picker.view("", "", "").new_name == "new-project"
    make(root, "new-project", "a-shop")
    assert picker.view("", "", "").new_name == "new-project-2"
    assert picker.view("", "", "", name="a-shop").new_name == "a-shop-2"
    assert picker.view("", "", "", name="../x").new_name == "new-project-2"


def test_a_place_is_named_where_it_says_more_than_the_name(root: Path, tmp_path: Path) -> None:
    one, two = Workspace(tmp_path, [root]), Workspace(tmp_path, [root, tmp_path], root / "sample")
    assert (name_of(root / "a", one), place_of(root / "a", one)) == ("a", "")
    assert place_of(root / "a" / "b", one) == "~/work/a"
    assert place_of(root / "a", two) == "~/work"
    assert place_of(tmp_path / "outside", two) == str(tmp_path)
    assert (name_of(root.parent, one), place_of(root.parent, one)) == ("Home folder", "")
    sample = root / "sample"
    assert (name_of(sample, two), place_of(sample, two)) == ("Sample project", "")
