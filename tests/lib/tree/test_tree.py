"""Nothing outside of an open folder is read or changed, whatever names and links it holds."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.tree import listing, names, writing
from opcode_htmx.lib.tree.names import FileRefused, names_of, text_of
from opcode_htmx.lib.tree.tree import FileMissing, NameTaken, Tree
from tests.lib.tree.conftest import SECRET
from tests.support.environment import ROOT

REFUSED = (FileRefused, FileMissing)


def read(tree: Tree, path: str) -> bytes:
    with tree.open(tree.real(names_of(path))) as file:
        return file.read()


@pytest.mark.parametrize(
    "path",
    ["../outside/secret", "src/../../outside/secret", "/etc/passwd", "a\0b", "raw:%2e%2e/outside"],
)
def test_a_path_that_leads_up_is_refused(path: str) -> None:
    with pytest.raises(FileRefused):
        names_of(path)


def test_half_a_character_and_an_endless_path_are_refused() -> None:
    for path in ("\ud800", "a/" * 3000):
        with pytest.raises(FileRefused):
            names_of(path)


@pytest.mark.parametrize(
    "path", ["src/app.py", "a b", " a", "a\nb", "raw:a", "caf\u00e9", os.fsdecode(b"\xff\n/x"), ""]
)
def test_a_path_is_the_same_after_its_way_through_an_address(path: str) -> None:
    found = names_of(text_of(tuple(filter(None, path.split("/")))))
    assert "/".join(found) == path
    assert "\n" not in text_of(found)


def test_a_link_within_the_folder_is_followed_and_one_to_the_outside_is_not(tree: Tree) -> None:
    (tree.path / "in").symlink_to("src/app.py")
    (tree.path / "out").symlink_to("../outside")
    (tree.path / "loop").symlink_to("loop")
    assert read(tree, "in") == b"print()\n"
    for path in ("out/secret", "out", "loop", "loop/x"):
        with pytest.raises(REFUSED):
            read(tree, path)


def test_a_folder_that_becomes_a_link_in_between_is_not_followed(tree: Tree) -> None:
    (tree.path / "src" / "secret").write_bytes(b"ours")
    found = tree.real(("src", "secret"))
    (tree.path / "src").rename(tree.path / "before")
    (tree.path / "src").symlink_to("../outside")
    acts: list[Callable[[], object]] = [
        lambda: tree.open(found),
        lambda: writing.replace(tree, found, b"changed", lambda _: None),
        lambda: writing.create(tree, ("src", "new"), b"made"),
        lambda: writing.make_folder(tree, ("src", "folder")),
        lambda: writing.move(tree, found, ("taken",)),
        lambda: writing.move(tree, ("before", "app.py"), ("src", "app.py")),
        lambda: listing.names_in(tree, ("src",)),
    ]
    for act in acts:
        with pytest.raises(REFUSED):
            act()
    outside = tree.path.parent / "outside"
    assert {each.name: each.read_bytes() for each in outside.iterdir()} == {"secret": SECRET}


def test_a_folder_that_becomes_a_link_while_a_file_is_written_is_not_followed(tree: Tree) -> None:
    def swap(_: object) -> None:
        (tree.path / "src").rename(tree.path / "before")
        (tree.path / "src").symlink_to("../outside")

    writing.replace(tree, ("src", "app.py"), b"x", swap)
    assert [each.name for each in (tree.path.parent / "outside").iterdir()] == ["secret"]
    assert [each.name for each in (tree.path / "before").iterdir()] == ["app.py"]
    assert (tree.path / "before" / "app.py").read_bytes() == b"x"


def test_the_project_itself_may_be_replaced_by_a_link(tree: Tree) -> None:
    tree.path.rename(tree.path.with_name("moved"))
    tree.path.symlink_to("outside")
    with pytest.raises(REFUSED):
        read(tree, "secret")
    with tree.open(("src", "app.py")) as file:  # the folder that was opened is the same
        assert file.read() == b"print()\n"


@pytest.mark.timeout(10)
def test_pipes_sockets_and_devices_are_refused_without_waiting(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tree.path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tree.path)  # the path of a socket is short
        listening.bind("socket")
        for name in ("pipe", "socket"):
            with pytest.raises(FileRefused, match="a device, a pipe or a socket"):
                tree.open((name,))
        entries = listing.entries_of(tree, (), ["pipe", "socket"])
    assert {each.kind for each in entries} == {"special"}


def test_a_listing_has_folders_first_and_says_where_links_lead(tree: Tree) -> None:
    for name in ("b", "A", "c"):
        (tree.path / name).write_text(name)
    (tree.path / "in").symlink_to("src")
    (tree.path / "out").symlink_to("/etc")
    found = listing.names_in(tree, ()).names
    assert found == ["src", "A", "b", "c", "in", "out"]
    entries = {each.name: each for each in listing.entries_of(tree, (), [*found, "gone"])}
    assert (entries["in"].kind, entries["in"].target) == ("folder", ("src",))
    assert (entries["out"].kind, entries["out"].target) == ("link", None)
    assert (entries["b"].kind, entries["b"].size) == ("file", 1)


def test_nothing_is_overwritten_by_a_new_file_or_a_rename(tree: Tree) -> None:
    (tree.path / "a").write_text("a")
    (tree.path / "dangling").symlink_to("nowhere")
    for target in ("src/app.py", "dangling"):
        with pytest.raises(NameTaken):
            writing.create(tree, names_of(target), b"x")
        with pytest.raises(NameTaken):
            writing.move(tree, ("a",), names_of(target))
    with pytest.raises(NameTaken):
        writing.make_folder(tree, ("src",))
    with pytest.raises(FileRefused):
        writing.move(tree, ("src",), ("src", "inner"))
    writing.move(tree, ("a",), ("src", "b"))
    assert (tree.path / "src" / "b").read_text() == "a"
    assert not (tree.path / "a").exists()


def test_a_link_is_renamed_and_not_what_it_leads_to(tree: Tree) -> None:
    (tree.path / "link").symlink_to("../outside/secret")
    writing.move(tree, ("link",), ("src", "other"))
    assert (tree.path / "src" / "other").readlink() == Path("../outside/secret")
    assert (tree.path.parent / "outside" / "secret").read_bytes() == SECRET
    assert not (tree.path / "link").is_symlink()


WRITER = """
import os, sys
from pathlib import Path
from opcode_htmx.lib.tree import writing
from opcode_htmx.lib.tree.tree import Tree
folder = Path(sys.argv[1])
tree = Tree(folder, os.open(folder, os.O_RDONLY))
print("ready", flush=True)
while True:
    for letter in (b"a", b"b"):
        writing.replace(tree, ("file",), letter * 3_000_000, lambda _: None)
"""


def test_a_file_is_whole_whenever_its_writer_is_killed(tree: Tree) -> None:
    file = tree.path / "file"
    file.write_bytes(b"a" * 3_000_000)
    for wait in (0.0, 0.02, 0.1):
        command = [sys.executable, "-c", WRITER, str(tree.path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            writer.stdout.readline()
            with contextlib.suppress(subprocess.TimeoutExpired):
                writer.wait(wait)
            writer.kill()
        content = file.read_bytes()
        assert len(content) == 3_000_000
        assert len(set(content)) == 1


def test_a_replaced_file_keeps_its_mode_and_its_other_name_keeps_the_old_content(
    tree: Tree,
) -> None:
    path, other = tree.path / "src" / "app.py", tree.path.parent / "outside" / "linked"
    other.hardlink_to(path)
    path.chmod(0o751)
    writing.replace(tree, ("src", "app.py"), b"new", lambda _: None)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o751)
    assert other.read_bytes() == b"print()\n"


def test_a_check_that_fails_leaves_the_old_content_and_no_other_file(tree: Tree) -> None:
    def refuse(file: object) -> None:
        raise RuntimeError("it has changed")

    with pytest.raises(RuntimeError):
        writing.replace(tree, ("src", "app.py"), b"new", refuse)
    assert read(tree, "src/app.py") == b"print()\n"
    assert [each.name for each in (tree.path / "src").iterdir()] == ["app.py"]


@pytest.mark.parametrize("name", [".git", ".GIT", ".git "])
def test_the_files_of_git_are_not_changed(tree: Tree, name: str) -> None:
    (tree.path / name).mkdir()
    (tree.path / name / "config").write_text("[core]\n")
    with pytest.raises(FileRefused):
        writing.replace(tree, (name, "config"), b"[core] fsmonitor=evil", lambda _: None)
    with pytest.raises(FileRefused):
        writing.create(tree, (name, "hooks"), b"")
    with pytest.raises(FileRefused):
        writing.move(tree, ("src", "app.py"), (name, "hook"))


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "a\nb", "a\0b", "é" * 200, "\ud800"])
def test_a_new_name_is_one_name(name: str) -> None:
    with pytest.raises(FileRefused):
        names.new_name(name)
