"""Files are uploaded; nothing that is there is lost by it."""

from __future__ import annotations

import io
from typing import BinaryIO

import pytest

from opcode_htmx.features.files.changing import trash, uploads
from opcode_htmx.lib.tree import writing
from opcode_htmx.lib.tree.names import Names
from opcode_htmx.lib.tree.tree import Tree
from tests.features.files.conftest import Project


def upload(project: Project, into: str, **files: bytes) -> str:
    """Upload files, and follow to the page after it."""
    given = [(io.BytesIO(content), name.replace("_", ".")) for name, content in files.items()]
    data = {"in": into, "files": given}
    answer = project.client.post(f"{project.address}/upload", data=data)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_uploads_are_put_into_the_folder(project: Project) -> None:
    location = upload(project, "", one_txt=b"1", two_bin=b"\0" * 100_000)
    assert location == project.address
    assert (project.folder / "one.txt").read_bytes() == b"1"
    assert (project.folder / "two.bin").read_bytes() == b"\0" * 100_000


def test_an_upload_with_a_taken_name_is_asked_about(project: Project) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        project.write(name, "old")
    page = upload(project, "", a_txt=b"new a", b_txt=b"new b", c_txt=b"new c", d_txt=b"new d")
    assert (project.folder / "d.txt").read_text() == "new d"
    assert "names are taken here" in project.client.get(page).text
    choices = {"choice-0": uploads.REPLACE, "choice-1": uploads.KEEP_BOTH}
    assert project.client.post(page, data=choices).status_code == 303
    found = {each.name: each.read_text() for each in project.folder.iterdir()}
    assert found == {
        "a.txt": "new a", "b.txt": "old", "b (2).txt": "new b", "c.txt": "old", "d.txt": "new d",
    }  # fmt: skip
    assert ">replaced " in project.get("deleted").text.replace("\n", "")
    assert project.client.post(page, data=choices).status_code == 404
    for expected in ("old", "new a"):  # they take turns, and none is lost
        listed = project.get("deleted").text
        action = listed.partition(f'action="{project.address}/deleted/')[2].partition('"')[0]
        assert project.post(f"deleted/{action}").status_code == 303
        assert (project.folder / "a.txt").read_text() == expected


@pytest.mark.parametrize("writes", [1, 100])
def test_what_is_written_while_an_upload_replaces_a_file_is_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    path = project.write("a.txt", "old")
    page = upload(project, "", a_txt=b"uploaded")
    keep_copy, number = trash.FileTrash.keep_copy, 0

    def written_meanwhile(self: trash.FileTrash, tree: Tree, names: Names) -> trash.Deleted:
        nonlocal number
        kept = keep_copy(self, tree, names)
        number += 1
        if number <= writes:
            path.write_text(f"by Claude, {number}")
        return kept

    monkeypatch.setattr(trash.FileTrash, "keep_copy", written_meanwhile)
    answer = project.client.post(page, data={"choice-0": uploads.REPLACE})
    if writes > 10:
        assert (answer.status_code, "being written" in answer.text) == (422, True)
        assert path.read_text() == f"by Claude, {number}"
        monkeypatch.undo()
        project.client.post(page, data={"choice-0": uploads.REPLACE})
    assert path.read_text() == "uploaded"
    kept = (project.sandbox.state / "file_trash").glob("*/content")
    assert f"by Claude, {min(writes, number)}" in [each.read_text() for each in kept]


def test_an_upload_in_place_of_a_file_that_goes_meanwhile_is_whole(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project.write("a.txt", "old")
    page = upload(project, "", a_txt=b"uploaded")
    write = writing._write

    def deleted_meanwhile(file: BinaryIO, content: bytes | BinaryIO) -> int:
        path.unlink(missing_ok=True)
        return write(file, content)

    monkeypatch.setattr(writing, "_write", deleted_meanwhile)
    assert project.client.post(page, data={"choice-0": uploads.REPLACE}).status_code == 303
    assert path.read_text() == "uploaded"


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt", "a/b/evil.txt"])
def test_an_upload_has_no_path(project: Project, name: str) -> None:
    data = {"in": "", "files": [(io.BytesIO(b"x"), name)]}
    project.client.post(f"{project.address}/upload", data=data)
    assert [each.name for each in project.folder.iterdir()] == ["evil.txt"]


def test_an_upload_that_is_too_large_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_FILE", 10)
    data = {"in": "", "files": [(io.BytesIO(b"x" * 11), "a"), (io.BytesIO(b"x"), "b")]}
    answer = project.client.post(f"{project.address}/upload", data=data)
    assert (answer.status_code, "“a” is too large" in answer.text) == (413, True)
    assert [each.name for each in project.folder.iterdir()] == ["b"]
