"""The list of changed files, and with what they are compared."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.changes.bases import LATE
from tests.features.changes.conftest import (
    Pages,
    Repository,
    diff_lines,
    made_repository,
    names,
    plain,
)
from tests.support.apps.in_process import app_of, client_of
from tests.support.clients import api
from tests.support.environment import Sandbox


@pytest.fixture
def lone_repository(tmp_path: Path, stand_in: Path) -> Iterator[tuple[Pages, Repository]]:
    """The only project below the roots of an app of its own."""
    sandbox = Sandbox(tmp_path / "lone").make()
    made = made_repository(sandbox)
    with app_of(sandbox, stand_in) as app:
        yield Pages(client_of(app), project_id(made.folder)), made


def test_the_list_says_what_became_of_each_file(pages: Pages, repository: Repository) -> None:
    repository.write("app.txt", "two\n")
    repository.git("add", "app.txt")
    repository.write("app.txt", "three\n")
    repository.write("fresh/new.txt", "a\nb\n")
    (repository.folder / "inner" / "deep.txt").unlink()
    page = pages.text(base="commit")
    assert names(page) == ["app.txt", "new.txt", "deep.txt", "app.txt"]
    words = plain(page)
    assert "Not staged" in words and "Staged" in words and "since the last commit on main" in words
    assert re.findall(r'data-status="(\w+)"', page) == [
        "modified",
        "untracked",
        "deleted",
        "modified",
    ]


def test_a_session_is_compared_with_its_first_checkpoint(
    pages: Pages, repository: Repository
) -> None:
    repository.write("app.txt", "before the session\n")
    snapshot = repository.commit()
    repository.git("reset", "--quiet", "--mixed", "HEAD~1")
    repository.checkpoint(snapshot)
    assert pages.files() == []
    repository.write("inner/deep.txt", "by Claude\n")
    assert pages.files() == ["deep.txt"]
    assert pages.files(base="commit") == ["app.txt", "deep.txt"]


def links_when_empty(page: str) -> dict[str, str]:
    """The texts of the links below "Nothing has changed", with their addresses."""
    empty = page.partition("Nothing has changed")[2].partition("</div>")[0]
    found = re.findall(r'href="([^"]*)">(.*?)</a>', empty)
    return {plain(text): unescape(address) for address, text in found}


def test_where_nothing_has_changed_the_page_leads_to_what_differs_from_other_bases(
    pages: Pages, repository: Repository
) -> None:
    repository.checkpoint(repository.git("rev-parse", "HEAD"))
    nothing = pages.text()
    assert "Nothing has changed" in nothing
    assert links_when_empty(nothing) == {}
    repository.git("checkout", "--quiet", "-b", "work")
    repository.write("inner/deep.txt", "committed on the branch\n")
    repository.commit()
    repository.write("app.txt", "before the session\n")
    repository.write("new.txt", "before the session\n")
    snapshot = repository.commit()
    repository.git("reset", "--quiet", "--mixed", "HEAD~1")
    repository.checkpoint(snapshot)
    page = pages.text()
    assert names(page) == []
    links = links_when_empty(page)
    assert list(links) == [
        "2 files differ since the last commit",
        "3 files differ since it left main",
    ]
    for text, address in links.items():
        assert len(names(pages.client.get(address).text)) == int(text.split()[0])
    # the page that polls gets the same, and another one once it differs
    digest = re.findall('data-digest="([^"]*)"', page)[0]
    assert pages.get("/state", seen=digest).status_code == 204
    repository.commit()
    assert links_when_empty(pages.text(base="commit")) == {
        "3 files differ since it left main": pages.address(base="branch")
    }
    (repository.folder / "inner/deep.txt").write_text("by Claude\n")
    assert "Nothing has changed" not in pages.text()


def test_without_a_checkpoint_a_session_is_compared_with_the_commit_at_its_begin(
    pages: Pages, repository: Repository
) -> None:
    repository.write("app.txt", "committed in the session\n")
    log = repository.folder / ".git" / "logs" / "HEAD"
    began = re.sub(r"> \d+ ", "> 1700000000 ", log.read_text())
    log.write_text(began)
    repository.commit()
    later = log.read_text().splitlines()
    later[-1] = re.sub(r"> \d+ ", "> 4000000000 ", later[-1])
    log.write_text("\n".join(later) + "\n")
    page = pages.text()
    assert names(page) == ["app.txt"]
    assert "Compared with the last commit before the session began" in page
    assert pages.files(base="commit") == []


def test_a_branch_is_compared_with_where_it_was_left(pages: Pages, repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "work")
    repository.write("app.txt", "on the branch\n")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write("inner/deep.txt", "meanwhile on main\n")
    repository.commit()
    repository.git("checkout", "--quiet", "work")
    repository.write("new.txt", "x\n")
    page = pages.text(base="branch")
    assert names(page) == ["app.txt", "new.txt"]
    assert "since it left main" in plain(page)


def test_without_another_branch_the_page_says_so(pages: Pages, repository: Repository) -> None:
    assert "There is no other branch to compare with" in pages.text(base="branch")


def test_a_project_without_a_repository_has_a_page(pages: Pages, repository: Repository) -> None:
    (repository.folder / ".git").rename(repository.folder / "elsewhere")
    for each in (pages, pages.of_project):
        words = plain(each.text())
        assert "in no git repository" in words and "git init" in words
        assert each.get("/file", path="app.txt").status_code == 409


@pytest.mark.parametrize("kind", ["tag", "tree", "blob"])
def test_what_is_no_commit_is_no_checkpoint(
    pages: Pages, repository: Repository, kind: str
) -> None:
    repository.git("tag", "--annotate", "--message", "x", "t")
    named = {"tag": "t", "tree": "HEAD^{tree}", "blob": "HEAD:app.txt"}
    repository.checkpoint(repository.git("rev-parse", named[kind]))
    repository.write("app.txt", "x\n")
    assert pages.files() == ["app.txt"]


@pytest.mark.parametrize(
    ("dated", "logged", "is_late"),
    [(-9000, -50, True), (500, -150, False), (-9000, None, False), (-50, None, True)],
    ids=["a clone", "a clock ahead", "no log, old", "no log, new"],
)
def test_the_base_is_late_by_the_time_at_which_it_was_checked_out(
    pages: Pages,
    repository: Repository,
    sandbox: Sandbox,
    dated: int,
    logged: int | None,
    is_late: bool,
) -> None:
    """`dated` is the commit, and `logged` is HEAD's log of it, in seconds from now."""
    now = int(time.time())
    began_line = api.prompt("Plant trees", sandbox.project, now - 100)
    api.session(sandbox.config_dir, sandbox.project, began_line, pages.session)
    raw = repository.git("cat-file", "commit", "HEAD")
    source = repository.folder / ".git" / "commit"
    source.write_text(re.sub(r"> \d+ ", f"> {now + dated} ", raw) + "\n")
    commit = repository.git("hash-object", "-t", "commit", "-w", str(source))
    repository.git("update-ref", "-d", "HEAD")
    shutil.rmtree(repository.folder / ".git" / "logs")
    if logged is None:
        repository.git("config", "core.logAllRefUpdates", "false")
    repository.git("update-ref", "HEAD", commit)
    log = repository.folder / ".git" / "logs" / "HEAD"
    assert log.exists() == (logged is not None)
    if logged is not None:
        log.write_text(re.sub(r"> \d+ ", f"> {now + logged} ", log.read_text()))
    repository.write("app.txt", "x\n")
    assert (LATE in plain(pages.text())) == is_late


def test_a_folder_that_is_gone_is_said_on_the_page(pages: Pages, repository: Repository) -> None:
    repository.folder.rename(repository.folder.with_name(f"{repository.folder.name}-moved"))
    assert "does not exist any more." in pages.text()


def test_many_files_come_in_parts(pages: Pages, repository: Repository) -> None:
    for number in range(450):
        repository.write(f"many/{number:03}.txt", "x\n")
    first = pages.text(base="commit")
    assert len(names(first)) == 100 and "Next files (350)" in first
    assert "450 files" in first
    last = pages.text(base="commit", first=400)
    assert names(last) == [f"{number}.txt" for number in range(400, 450)]
    assert "Previous files" in last


def test_the_list_comes_again_only_if_it_is_another_one(
    pages: Pages, repository: Repository
) -> None:
    digest = re.search(r'data-digest="(\w+)"', pages.text())
    assert digest
    assert pages.get("/state", seen=digest[1]).status_code == 204
    repository.write("app.txt", "two\n")
    again = pages.text()  # a listing of less than two seconds is not read again for a poll
    newer = pages.text("/state", seen=digest[1])
    assert names(newer) == names(again) == ["app.txt"]
    assert "<!doctype html>" not in newer


def test_names_cannot_deceive(pages: Pages, repository: Repository) -> None:
    name = "in\nvisible\u202etxt.exe<b>"
    repository.write(name, "x\n")
    page = pages.text(base="commit")
    assert names(page) == ["in↵visible⟨U+202E⟩txt.exe<b>"]
    assert "+x" in diff_lines(pages.text("/file", path=name, base="commit"))


def test_a_conflict_stands_first(pages: Pages, repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "other")
    repository.write("inner/deep.txt", "theirs\n")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write("inner/deep.txt", "ours\n")
    repository.commit()
    repository.git("merge", "other", check=False)
    repository.write("app.txt", "two\n")
    page = pages.text(base="commit")
    assert names(page) == ["deep.txt", "app.txt"] and "In conflict" in page
    assert "+theirs" in diff_lines(pages.text("/file", path="inner/deep.txt", base="commit"))


def test_only_the_project_is_shown_of_a_repository_beyond_the_roots(
    lone_repository: tuple[Pages, Repository],
) -> None:
    pages, repository = lone_repository
    outer = Repository(repository.home, repository.folder.parent)
    (repository.folder / ".git").rename(repository.home / "unused")
    outer.git("init", "--quiet", "--initial-branch=main")
    outer.write("secret.txt", "x\n")
    outer.commit()
    outer.write("secret.txt", "y\n")
    repository.write("app.txt", "two\n")
    assert pages.files(base="commit") == ["app.txt"]
    assert pages.get("/file", path="secret.txt", base="commit").status_code == 404


def test_a_path_without_changes_is_not_found(pages: Pages, repository: Repository) -> None:
    for path in ("inner/deep.txt", "../../etc/passwd", "/etc/passwd", ".git/config", ""):
        assert pages.get("/file", path=path, base="commit").status_code == 404


def test_session_and_project_lead_to_their_changes(pages: Pages, repository: Repository) -> None:
    session = pages.client.get(f"/projects/{pages.project}/sessions/{pages.session}").text
    assert f'href="{pages.address()}"' in session
    project = pages.client.get(f"/projects/{pages.project}").text
    assert f'href="{pages.of_project.address()}"' in project
