"""No parameter and nothing in a project leads out of it, blocks, or breaks a page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest

from opcode_htmx.lib.tree.tree import Tree
from tests.features.files.conftest import SECRET, Project

PAGES = ("", "view", "raw", "download", "edit", "open")
PATHS = [
    *("../secret.txt", "..", "a/../../secret.txt", "/etc/passwd", "//etc/passwd", "~/.ssh/id"),
    *(
        "%2e%2e/secret.txt",
        "raw:%2e%2e%2fsecret.txt",
        "raw:/etc/passwd",
        "raw:%00",
        "..\\secret.txt",
    ),
    *("a\0b", "a\nb", "\ud800", "\udcff", "x" * 5000, "x/" * 2000, "out", "out/secret.txt", "loop"),
    *("loop/loop", "pipe", "dev", "file:///etc/passwd", "\u202esecret", "absolute"),
]


@pytest.fixture
def hostile(project: Project) -> Project:
    """A project with links to the outside, a circle of links, and a pipe."""
    (project.folder / "out").symlink_to("..")
    (project.folder / "absolute").symlink_to(project.folder.parent / "secret.txt")
    (project.folder / "loop").symlink_to("loop")
    (project.folder / "dev").symlink_to("/dev/zero")
    os.mkfifo(project.folder / "pipe")
    return project


def escaped(path: str) -> str:
    return quote(path.encode("utf-8", "surrogatepass"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("page", PAGES)
def test_no_path_leads_out_of_the_project(hostile: Project, page: str) -> None:
    base = f"{hostile.address}/{page}" if page else hostile.address
    for path in PATHS:
        answer = hostile.client.get(f"{base}?path={escaped(path)}")
        if page == "view" and answer.status_code == 200:  # which can be deleted, and not opened
            assert "It is not followed." in answer.text or "It is not opened." in answer.text
        else:
            assert answer.status_code in (303, 403, 404, 422), (path, answer.status_code)
        assert SECRET.encode() not in answer.data
        assert b"root:" not in answer.data


@pytest.mark.timeout(20)
def test_no_form_leads_out_of_the_project(hostile: Project) -> None:
    hostile.write("a.txt", "a")
    before = snapshot(hostile.folder.parent)
    for path in [*PATHS, ".git/config", ""]:
        text = path.encode("utf-8", "replace").decode()
        for page, data in (
            ("edit", {"path": text, "digest": "none", "text": "x"}),
            ("move", {"path": "a.txt", "to": f"{text}/a.txt"}),
            ("move", {"path": text, "to": "b.txt"} if "/" in text or text == "" else {}),
            ("new", {"in": text or "nowhere", "name": "x", "kind": "folder"}),
            ("upload", {"in": text or "nowhere"}),
            ("delete", {"path": text} if "/" in text or text == "" else {}),
        ):
            answer = hostile.post(page, **data)
            assert answer.status_code < 500, (page, path)
    after = snapshot(hostile.folder.parent)
    inside = hostile.folder.name
    assert {k: v for k, v in after.items() if not k.startswith(inside)} == {
        k: v for k, v in before.items() if not k.startswith(inside)
    }


def snapshot(folder: Path) -> dict[str, bytes]:
    files = (each for each in folder.rglob("*") if each.is_file() and not each.is_symlink())
    return {str(each.relative_to(folder)): each.read_bytes() for each in files}


def test_a_listing_of_hostile_names_is_a_page(project: Project) -> None:
    for name in (b"a\nb", b"\xff\xfe", b"<script>alert(1)<script>", "\u202etxt.exe".encode(),
                 b"-rf", b"--help", b"a b", b"'\"", b":(top)x", b"*", b"x" * 255):  # fmt: skip
        (project.folder / os.fsdecode(name)).write_text("x")
    page = project.get().text
    assert "<script>alert" not in page
    assert "\u202e" not in page
    addresses = [
        each.partition('"')[0].replace("&#39;", "'").replace("&amp;", "&")
        for each in page.split('file-item" href="')[1:]
    ]
    assert len(addresses) == 11
    for address in addresses:
        shown = project.client.get(address)
        assert shown.status_code == 200, address
        assert 'id="L1"' in shown.text


def test_names_like_options_and_magic_paths_do_not_change_what_git_says(project: Project) -> None:
    project.git("init", "--quiet")
    for name in ("--help", "-z", ":(exclude)*", "*", "!x"):
        project.write(name)
    assert project.get().text.count(">new</span>") == 5


def test_a_folder_that_becomes_a_link_while_it_is_shown_shows_nothing_of_its_target(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("sub/secret.txt", "ours")
    real = Tree.real

    def swapped(self: Tree, names: tuple[str, ...]) -> tuple[str, ...]:
        found = real(self, names)
        sub = project.folder / "sub"
        if sub.is_dir() and not sub.is_symlink():
            shutil.rmtree(sub)
            sub.symlink_to("..")
        return found

    monkeypatch.setattr(Tree, "real", swapped)
    for page, path in (("view", "sub/secret.txt"), ("", "sub"), ("raw", "sub/secret.txt")):
        answer = project.get(page, path=path)
        assert answer.status_code in (404, 422)
        assert SECRET not in answer.text


def test_what_cannot_be_opened_can_be_deleted_and_put_back(hostile: Project) -> None:
    for name, is_there in (("pipe", Path.is_fifo), ("out", Path.is_symlink)):
        path = hostile.folder / name
        answer = hostile.post("delete", path=name)
        assert not is_there(path)
        deleted_id = answer.headers["Location"].partition("deleted=")[2]
        assert hostile.post(f"deleted/{deleted_id}").status_code == 303
        assert is_there(path)
    assert (hostile.folder.parent / "secret.txt").read_text() == SECRET


def test_a_project_that_is_replaced_by_a_link_shows_nothing(project: Project) -> None:
    project.folder.rename(project.folder.with_name("before"))
    project.folder.symlink_to(project.sandbox.home)
    (project.sandbox.home / "token").write_text(SECRET)
    answer = project.get("raw", path="token")
    assert answer.status_code == 403
    assert SECRET not in answer.text


def test_markdown_of_a_hostile_project_loads_and_runs_nothing(project: Project) -> None:
    project.write(
        "README.md",
        "![x](//evil.example/x.png) ![x](data:image/svg+xml,<svg>) ![x](\\\\evil\\x)\n"
        "[x](//evil.example) [x](/api/settings) [x](?file=x) [x](../../../files/raw?path=x)\n"
        '[x](vbscript:x) [x](a"onmouseover="alert(1)) <img src=x onerror=alert(1)>\n'
        "[x](javascript&colon;alert(1)) [x](<../..\n>) # x\n" + "[" * 5000 + "\n" + "> " * 3000,
    )
    page = project.get("view", path="README.md")
    assert page.status_code == 200
    article = page.text.partition("<article")[2].partition("</article>")[0]
    assert 'evil.example/x.png"' not in article
    assert "<img src=x" not in article
    for address in (each.partition('"')[0] for each in article.split('href="')[1:]):
        assert address.startswith((f"{project.address}/open?path=", "#h-")), address
    for address in (each.partition('"')[0] for each in article.split('src="')[1:]):
        assert address.startswith(f"{project.address}/raw?path="), address


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "content",
    [
        "#" * 300_000,
        "| a " * 70_000,
        "* " * 140_000,
        "`" * 290_000,
        "[a](b) " * 40_000,
        "<" * 290_000,
    ],
    ids=["heading", "table", "list", "code", "links", "tags"],
)
def test_a_markdown_bomb_is_answered(project: Project, content: str) -> None:
    project.write("bomb.md", content)
    assert project.get("view", path="bomb.md").status_code == 200
