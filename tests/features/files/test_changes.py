"""Files are made, edited, renamed and deleted; nothing of a person is lost by it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from opcode_htmx.features.files.changing import trash
from opcode_htmx.lib.tree import writing
from tests.features.files.conftest import Project


def digest_on(html: str) -> str:
    return html.partition('name="digest" value="')[2].partition('"')[0]


def text_on(html: str) -> str:
    return html.partition('dir="ltr">\n')[2].partition("</textarea>")[0]


def test_an_edit_keeps_line_ends_encoding_mode_and_the_missing_final_line_feed(
    project: Project,
) -> None:
    path = project.write("run.sh", b"caf\xe9\r\nold\r\nend")
    path.chmod(0o750)
    page = project.get("edit", path="run.sh").text
    assert "Latin-1, CRLF line ends: it stays so." in page
    assert text_on(page) == "caf\u00e9\nold\nend"
    answer = project.post(
        "edit", path="run.sh", digest=digest_on(page), text="caf\u00e9\r\nnew\r\nend"
    )
    assert answer.status_code == 303
    assert path.read_bytes() == b"caf\xe9\r\nnew\r\nend"
    assert path.stat().st_mode & 0o777 == 0o750


def test_a_text_that_begins_with_an_empty_line_keeps_it(project: Project) -> None:
    path = project.write("a.txt", "\n\ntwo\n")
    page = project.get("edit", path="a.txt").text
    assert text_on(page) == "\n\ntwo\n"
    project.post("edit", path="a.txt", digest=digest_on(page), text="\r\n\r\nthree\r\n")
    assert path.read_bytes() == b"\n\nthree\n"


def test_a_conflict_keeps_the_text_of_the_person_and_shows_both(project: Project) -> None:
    path = project.write("a.txt", "first\n")
    digest = digest_on(project.get("edit", path="a.txt").text)
    path.write_text("by Claude\n")
    answer = project.post("edit", path="a.txt", digest=digest, text="mine <b>\n")
    assert answer.status_code == 409
    assert text_on(answer.text) == "mine &lt;b&gt;\n"
    assert "by Claude" in answer.text.partition("As it is now")[2]
    assert path.read_text() == "by Claude\n"
    again = project.post("edit", path="a.txt", digest=digest_on(answer.text), text="mine\n")
    assert (again.status_code, path.read_text()) == (303, "mine\n")


def test_a_file_that_is_gone_is_made_anew_on_demand(project: Project) -> None:
    path = project.write("a.txt", "first\n")
    digest = digest_on(project.get("edit", path="a.txt").text)
    path.unlink()
    answer = project.post("edit", path="a.txt", digest=digest, text="mine\n")
    assert answer.status_code == 409
    assert "deleted since you opened it" in answer.text
    again = project.post("edit", path="a.txt", digest=digest_on(answer.text), text="mine\n")
    assert (again.status_code, path.read_text()) == (303, "mine\n")


def test_a_change_in_the_last_moment_is_noticed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project.write("a.txt", "first\n")
    digest = digest_on(project.get("edit", path="a.txt").text)
    write: Callable[..., int] = writing._write

    def write_late(*given: object) -> int:
        path.write_text("by Claude\n")
        return write(*given)

    monkeypatch.setattr(writing, "_write", write_late)
    assert project.post("edit", path="a.txt", digest=digest, text="mine\n").status_code == 409
    assert path.read_text() == "by Claude\n"
    assert [each.name for each in project.folder.iterdir()] == ["a.txt"]


def test_what_an_encoding_cannot_hold_is_refused_and_the_text_is_kept(project: Project) -> None:
    path = project.write("a.txt", b"caf\xe9")
    digest = digest_on(project.get("edit", path="a.txt").text)
    answer = project.post("edit", path="a.txt", digest=digest, text="\u20ac")
    assert answer.status_code == 422
    assert "Latin-1" in answer.text
    assert text_on(answer.text) == "\u20ac"
    assert path.read_bytes() == b"caf\xe9"


def test_links_binary_and_special_files_are_not_edited(project: Project) -> None:
    project.write("a.txt")
    project.write("data.bin", b"\0")
    (project.folder / "link").symlink_to("a.txt")
    os.mkfifo(project.folder / "pipe")
    for path, words in (
        ("link", "is a link, not a file"),
        ("data.bin", "is no text"),
        ("pipe", "a device, a pipe or a socket"),
    ):
        page = project.get("edit", path=path)
        assert (page.status_code, words in page.text) == (422, True)
        answer = project.post("edit", path=path, digest="0" * 32, text="x")
        assert answer.status_code == 422


def test_a_new_file_is_edited_next_and_a_new_folder_is_opened(project: Project) -> None:
    made = project.post("new", name="new.py", kind="file", **{"in": ""})
    assert made.headers["Location"] == f"{project.address}/edit?path=new.py"
    assert project.client.get(made.headers["Location"]).status_code == 200
    made = project.post("new", name="sub", kind="folder", **{"in": ""})
    assert made.headers["Location"] == f"{project.address}?path=sub"
    taken = project.post("new", name="sub", kind="file", **{"in": ""})
    assert (taken.status_code, "“sub” already" in taken.text) == (409, True)
    assert project.post("new", name="../x", **{"in": ""}).status_code == 422


def test_files_are_renamed_and_moved_and_nothing_is_overwritten(project: Project) -> None:
    project.write("a.txt", "a")
    project.write("b.txt", "b")
    (project.folder / "sub").mkdir()
    moved = project.post("move", path="a.txt", to="sub/c.txt")
    assert moved.headers["Location"] == f"{project.address}/view?path=sub/c.txt"
    assert (project.folder / "sub" / "c.txt").read_text() == "a"
    assert project.post("move", path="b.txt", to="sub/c.txt").status_code == 409
    assert project.post("move", path="b.txt", to="nowhere/c.txt").status_code == 404
    assert project.post("move", path="b.txt", to="../c.txt").status_code == 422
    assert (project.folder / "b.txt").read_text() == "b"
    followed = project.client.get(
        project.post("move", path="sub", to="other").headers["Location"], follow_redirects=True
    )
    assert "c.txt" in followed.text


def test_what_is_deleted_can_be_put_back(project: Project) -> None:
    project.write("sub/a.txt", "a").chmod(0o640)
    (project.folder / "sub" / "link").symlink_to("../../secret.txt")
    answer = project.post("delete", path="sub")
    assert not (project.folder / "sub").exists()
    page = project.client.get(answer.headers["Location"]).text
    assert "Deleted “sub”" in page
    listed = project.get("deleted").text
    action = listed.partition(f'action="{project.address}/deleted/')[2].partition('"')[0]
    assert project.post(f"deleted/{action}").status_code == 303
    assert (project.folder / "sub" / "a.txt").read_text() == "a"
    assert (project.folder / "sub" / "a.txt").stat().st_mode & 0o777 == 0o640
    assert (project.folder / "sub" / "link").readlink() == Path("../../secret.txt")
    assert project.post(f"deleted/{action}").status_code == 404


def test_what_is_deleted_on_another_disk_is_copied_and_can_be_put_back(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("sub/a.bin", bytes(range(256))).chmod(0o750)
    (project.folder / "sub" / "link").symlink_to("a.bin")
    rename = os.rename

    def across(source: str, target: str, **given: int) -> None:
        if given.get("src_dir_fd") != given.get("dst_dir_fd") and "content" in (source, target):
            raise OSError(errno.EXDEV, "another disk")
        rename(source, target, **given)

    monkeypatch.setattr(os, "rename", across)
    project.post("delete", path="sub")
    assert list(project.folder.iterdir()) == []
    listed = project.get("deleted").text
    action = listed.partition(f'action="{project.address}/deleted/')[2].partition('"')[0]
    assert project.post(f"deleted/{action}").status_code == 303
    assert (project.folder / "sub" / "a.bin").read_bytes() == bytes(range(256))
    assert (project.folder / "sub" / "a.bin").stat().st_mode & 0o777 == 0o750
    assert (project.folder / "sub" / "link").readlink() == Path("a.bin")
    assert [each.name for each in project.folder.iterdir()] == ["sub"]


def test_what_cannot_be_kept_is_not_deleted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("sub/a.txt", "a")
    os.mkfifo(project.folder / "sub" / "pipe")
    rename = os.rename

    def across(source: str, target: str, **given: int) -> None:
        if target == "content":
            raise OSError(errno.EXDEV, "another disk")
        rename(source, target, **given)

    monkeypatch.setattr(os, "rename", across)
    answer = project.post("delete", path="sub")
    assert answer.status_code == 422
    assert (project.folder / "sub" / "a.txt").read_text() == "a"
    assert "Nothing was deleted" in project.get("deleted").text


def test_what_is_deleted_is_kept_for_a_week(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("a.txt")
    project.post("delete", path="a.txt")
    kept = trash.FileTrash(project.sandbox.state / "file_trash")
    kept.collect()
    assert len(kept.of(project.folder)) == 1
    monkeypatch.setattr(trash, "KEPT_SECONDS", -1.0)
    kept.collect()
    assert list((project.sandbox.state / "file_trash").iterdir()) == []


def outcome(client: FlaskClient, method: str, address: str, **given: object) -> tuple[int, object]:
    answer = client.open(address, method=method, **given)  # type: ignore[arg-type]
    found = answer.get_json()
    return answer.status_code, found["data"] or found


def test_programs_list_read_and_replace_files(project: Project) -> None:
    path = project.write("src/app.py", "old\r\n")
    base = f"/api/projects/{project.id}/files"
    status, found = outcome(project.client, "GET", f"{base}?path=src")
    assert status == 200
    assert isinstance(found, dict)
    assert [(each["path"], each["kind"]) for each in found["files"]] == [("src/app.py", "file")]
    status, found = outcome(project.client, "GET", f"{base}/content?path=src/app.py")
    assert isinstance(found, dict)
    assert (status, found["text"], found["line_ends"]) == (200, "old\n", "CRLF")
    new = {"path": "src/app.py", "text": "new\n", "digest": found["digest"]}
    assert outcome(project.client, "PUT", f"{base}/content", json=new)[0] == 200
    assert path.read_bytes() == b"new\r\n"
    status, found = outcome(project.client, "PUT", f"{base}/content", json=new)
    assert isinstance(found, dict)
    assert (status, found["sent"], found["current"]["text"]) == (409, "new\n", "new\n")
    made = {"path": "made.txt", "text": "x", "digest": "none"}
    assert outcome(project.client, "PUT", f"{base}/content", json=made)[0] == 200
    assert outcome(project.client, "PUT", f"{base}/content", json=made)[0] == 409
    assert project.client.get(f"{base}/download?path=made.txt").data == b"x"
