"""Texts keep their line ends and bytes, and a zip holds what a folder had."""

from __future__ import annotations

import io
import zipfile

import pytest

from opcode_htmx.lib.tree import packing, text
from opcode_htmx.lib.tree.names import FileRefused
from opcode_htmx.lib.tree.tree import FileTooLarge, Tree


@pytest.mark.parametrize(
    "content",
    [
        b"a\nb\n",
        b"a\r\nb\r\n",
        b"a\rb",
        b"a\r\nb\nc",
        b"\xef\xbb\xbfa\r\n",
        "a\r\nü".encode("utf-16"),
        b"caf\xe9\n",
        b"",
        b"\x0c\x1b[0m\n",
    ],
)
def test_an_unchanged_text_gives_the_same_bytes(content: bytes) -> None:
    found = text.decode(content)
    assert found is not None
    assert text.encode(text.normalized(found.text), found) == content


def test_an_edit_keeps_the_line_ends_of_the_lines_around_it() -> None:
    found = text.decode(b"one\r\ntwo\nthree\r\nfour")
    assert found is not None
    assert text.encode("one\nTWO\nthree\nfour\nfive\n", found) == (
        b"one\r\nTWO\r\nthree\r\nfour\r\nfive\r\n"
    )
    latin = text.decode(b"caf\xe9")
    assert latin is not None
    with pytest.raises(FileRefused, match="Latin-1"):
        text.encode("caf\u00e9 \u20ac", latin)
    assert text.decode(b"a\0b") is None


def test_line_ends_of_many_equal_lines_are_no_endless_work() -> None:
    found = text.decode(b"x\r\nx\n" * 20_000)
    assert found is not None
    # compared with one another, these would be more than a billion pairs
    edited = text.encode("y\n" + "x\n" * 39_998 + "y\n", found)
    assert edited.count(b"\n") == 40_000
    assert text.encode("x\n" * 39_999 + "y\n", found) == b"x\r\nx\n" * 19_999 + b"x\r\ny\r\n"


def zip_of(tree: Tree, found: packing.Contents) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(packing.zipped(tree, (), found))))


def test_a_zip_holds_the_files_and_names_what_it_does_not(tree: Tree) -> None:
    (tree.path / "out").symlink_to("../outside/secret")
    (tree.path / "a\\..\\b").write_text("x")
    archive = zip_of(tree, packing.contents(tree, (), lambda path, is_folder: True))
    assert archive.testzip() is None
    assert sorted(archive.namelist()) == [packing.NOTE, "a_.._b", "src/app.py"]
    assert b"out" in archive.read(packing.NOTE)
    assert archive.read("src/app.py") == b"print()\n"


def test_a_zip_of_a_tree_that_grows_or_changes_stays_what_it_was(tree: Tree) -> None:
    (tree.path / "b").write_text("b")
    found = packing.contents(tree, (), lambda path, is_folder: True)
    (tree.path / "new").write_text("x" * 1000)
    (tree.path / "b").unlink()
    (tree.path / "b").symlink_to("../outside/secret")
    archive = zip_of(tree, found)
    assert sorted(archive.namelist()) == [packing.NOTE, "src/app.py"]


def test_a_folder_with_too_much_in_it_is_not_packed(tree: Tree) -> None:
    (tree.path / "b").write_text("bbbb")
    for limits in ({"most_files": 1}, {"most_bytes": 3}):
        with pytest.raises(FileTooLarge):
            packing.contents(tree, (), lambda path, is_folder: True, **limits)
