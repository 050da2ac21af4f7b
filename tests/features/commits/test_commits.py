"""From a change to a push, by the forms of the pages, in the app itself with real git."""

from __future__ import annotations

import html
import re
from urllib.parse import quote

import pytest
from flask import Flask, render_template_string

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.commits.services import services
from opcode_htmx.lib.git.discards import kept
from tests.features.commits.desk import HIDDEN, Desk, changed_at
from tests.support.apps.in_process import client_of
from tests.support.clients import api
from tests.support.environment import Sandbox


def test_two_parts_are_staged_committed_and_pushed(desk: Desk) -> None:
    repo = desk.repo
    repo.write("a.txt", changed_at(3, 20, 35))
    repo.write("b\u202e.txt", "new\n")
    assert "⟨U+202E⟩" in desk.page()
    choice = desk.page("/file", path="a.txt", side="unstaged")
    first, _, third = re.findall(
        r'<fieldset class="git-hunk">.*?value="(\w{16}):', choice, re.DOTALL
    )
    assert "Staged." in desk.done("/stage", path="a.txt", hunk=[first, third])
    assert repo.staged("a.txt").decode() == changed_at(3, 35)
    page = desk.page()
    form = desk.hidden(page, "/commit")
    notice = desk.done("/commit", message="Prune\r\n\r\nIt was due.", **form)
    assert "Committed: " in notice
    assert repo.plain("log", "-1", "--format=%B") == b"Prune\n\nIt was due.\n\n"

    repo.plain("init", "-q", "--bare", "-b", "main", "../bare")
    repo.plain("remote", "add", "origin", f"file://{repo.top.parent}/bare")
    page = desk.page("/push")
    assert "2 commits to push" in page
    assert f"file://{repo.top.parent}/bare" in page
    assert "Pushed 2 commits" in desk.done("/push", programs="run", **desk.hidden(page, "/push"))
    assert repo.plain("--git-dir=../bare", "rev-parse", "main") == repo.plain("rev-parse", "HEAD")


def test_what_is_discarded_is_undone_by_a_press(desk: Desk) -> None:
    desk.repo.write("a.txt", changed_at(3))
    desk.repo.write("new", b"\xff\0")
    page = desk.done("/discard", path="*")
    assert desk.repo.plain("status", "--porcelain") == b""
    undo = re.search(r'class="note" method="post" action="([^"]+)"', page)
    assert undo
    assert "It can be brought back for 7 days" in page
    answer = desk.client.post(html.unescape(undo[1]))
    assert answer.status_code == 303
    assert (desk.repo.top / "new").read_bytes() == b"\xff\0"
    assert (desk.repo.top / "a.txt").read_text() == changed_at(3)


def test_what_was_discarded_is_forgotten_in_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.repo.write("a.txt", "x")
    desk.done("/discard", path="a.txt")
    register = desk.context.once(services).register
    register.expire()
    assert "a.txt" in desk.page("/kept")
    monkeypatch.setattr(kept, "KEPT_SECONDS", -1.0)
    register.expire()
    assert desk.repo.plain("for-each-ref", "refs/opcode") == b""
    assert not list((desk.context.state.folder("git_discards")).glob("*.json"))


def test_what_has_changed_since_is_refused_with_a_sentence(desk: Desk) -> None:
    desk.repo.write("a.txt", changed_at(3))
    answer = desk.post("/stage", path="a.txt", hunk="0" * 16)
    assert (answer.status_code, "has changed since you looked" in answer.text) == (409, True)
    assert desk.post("/stage", path="gone").status_code == 409
    assert desk.post("/stage").status_code == 422
    assert desk.post("/stage", path="a.txt", line="x").status_code == 422
    desk.done("/stage", path="a.txt")
    form = desk.hidden(desk.page(), "/commit")
    desk.repo.write("a.txt", changed_at(4))
    desk.done("/stage", path="a.txt")
    answer = desk.post("/commit", message="Prune", **form)
    assert (answer.status_code, "Nothing was committed" in answer.text) == (409, True)
    assert "Prune" in answer.text, "what was typed is still there"
    assert desk.repo.plain("rev-list", "--count", "HEAD") == b"1\n"


def test_hooks_are_shown_and_run_by_an_own_press_only(desk: Desk) -> None:
    mark = desk.hook("pre-commit", "touch sprung; echo too many trees; exit 1")
    desk.repo.write("a.txt", changed_at(3))
    desk.done("/stage", path="a.txt")
    page = desk.page()
    assert "pre-commit" in page
    form = desk.hidden(page, "/commit")
    digest = form.pop("digest")
    asked = desk.post("/commit", message="Prune", **form)
    assert (asked.status_code, "Nothing was done yet" in asked.text) == (409, True)
    assert not mark.exists()
    stale = desk.post("/commit", message="Prune", programs="run", digest="0" * 32, **form)
    assert (stale.status_code, "What would run has changed" in stale.text) == (409, True)
    assert "Prune</textarea>" in stale.text, "what was typed is not lost"
    assert not mark.exists()
    run = desk.post("/commit", message="Prune", programs="run", digest=digest, **form)
    assert (run.status_code, "A hook of the repository refused" in run.text) == (409, True)
    assert "too many trees" in run.text.partition("<details")[2]
    mark.unlink()
    desk.done("/commit", message="Prune", programs="without", **form)
    assert not mark.exists()


def test_a_filter_asks_before_a_file_goes_through_it(desk: Desk) -> None:
    desk.repo.plain("config", "filter.up.clean", "tr a-z A-Z")
    desk.repo.write(".gitattributes", "*.up filter=up\n")
    desk.repo.write("x.up", "quiet\n")
    asked = desk.post("/stage", path="x.up")
    assert (asked.status_code, "tr a-z A-Z" in asked.text) == (409, True)
    form = desk.hidden(asked.text.replace('method="post">', f'action="{desk.git}/stage"'), "/stage")
    desk.done("/stage", programs="run", path="x.up", digest=form["digest"])
    assert desk.repo.staged("x.up") == b"QUIET\n"
    desk.repo.plain("rm", "-q", "--cached", "x.up")
    desk.done("/stage", programs="without", path="x.up")
    assert desk.repo.staged("x.up") == b"quiet\n"


def test_nothing_is_pushed_to_an_address_that_was_not_shown(desk: Desk) -> None:
    repo = desk.repo
    for name in ("bare", "other"):
        repo.plain("init", "-q", "--bare", "-b", "main", f"../{name}")
    repo.plain("remote", "add", "origin", f"file://{repo.top.parent}/bare")
    form = desk.hidden(desk.page("/push"), "/push")
    repo.plain("remote", "set-url", "origin", f"file://{repo.top.parent}/other")
    answer = desk.post("/push", programs="run", **form)
    assert (answer.status_code, "has changed since you looked" in answer.text) == (409, True)
    assert desk.post("/push", remote="origin").status_code == 409
    for name in ("bare", "other"):
        assert repo.plain(f"--git-dir=../{name}", "for-each-ref") == b""


def test_an_amended_commit_that_is_pushed_says_so(desk: Desk) -> None:
    repo = desk.repo
    repo.plain("init", "-q", "--bare", "../bare")
    repo.plain("remote", "add", "origin", f"file://{repo.top.parent}/bare")
    assert "pushed nowhere yet" in desk.page(amend="1")
    repo.plain("push", "-qu", "origin", "main")
    page = desk.page(amend="1")
    assert "This commit is at origin/main already" in page
    desk.done("/commit", message="Other words", **desk.hidden(page, "/commit"))
    assert repo.plain("log", "--format=%s") == b"Other words\n"
    page = desk.page("/push")
    assert "1 commit would be lost there" in page
    form = desk.hidden(page, "/push")
    assert desk.post("/push", programs="run", **{**form, "overwrite": ""}).status_code == 409
    assert "Pushed" in desk.done("/push", programs="run", **form)


def test_a_project_without_a_repository_has_no_link_and_a_sentence(
    shared_app: Flask, own_project: Sandbox
) -> None:
    sandbox, client = own_project, client_of(shared_app)
    api.session(sandbox.config_dir, sandbox.project, api.prompt("Prune", sandbox.project))
    address = f"/projects/{quote(project_id(sandbox.project))}"
    assert f"{address}/git" not in client.get(address).text
    for answer in (client.get(f"{address}/git"), client.get(f"{address}/git/branches")):
        assert (answer.status_code, "is in no git repository" in answer.text) == (404, True)
        assert f'href="{address}"' in answer.text and "git init" in answer.text
    sandbox.project.rmdir()
    gone = client.get(f"{address}/git")
    assert (gone.status_code, "is gone" in gone.text, "git init" in gone.text) == (404, True, False)
    assert f'href="{address}"' in gone.text


def test_other_pages_show_its_buttons_which_lead_back_to_them(own_desk: Desk) -> None:
    desk = own_desk
    desk.repo.write("a.txt", changed_at(3))
    template = (
        "{{ change_actions(id) }}{{ file_actions(id, 'a.txt', 'unstaged') }}"
        "{{ file_actions(id, 'a.txt', '') }}{{ hunk_actions(id, 'a.txt', 'unstaged', hunk) }}"
    )
    change = desk.context.once(services).changes.change(
        project_id(desk.repo.top), "a.txt", "unstaged"
    )

    def page() -> str:
        (hunk,) = change.diff.hunks
        return render_template_string(template, id=project_id(desk.repo.top), hunk=hunk)

    desk.app.add_url_rule("/elsewhere", "elsewhere", page)
    seen = desk.client.get("/elsewhere?base=main").text
    forms = seen.split("<form")[1:]
    assert len(forms) == 2
    form = {name: html.unescape(value) for name, value in HIDDEN.findall(forms[1])}
    form.pop("csrf_token", "")
    assert (form["back"], form["path"]) == ("/elsewhere?base=main", "a.txt")
    answer = desk.post("/stage", **form)
    assert answer.headers["Location"] == "/elsewhere?base=main"
    notice = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    assert "Staged." in desk.client.get("/elsewhere", headers=notice).text
    assert desk.repo.staged("a.txt").decode() == changed_at(3)
    away = desk.post("/unstage", path="*", back="//evil.example/")
    assert away.headers["Location"] == desk.git


def test_who_git_does_not_know_says_a_name_with_the_first_commit(desk: Desk) -> None:
    desk.repo.plain("config", "--remove-section", "user")
    desk.repo.write("a.txt", changed_at(3))
    desk.done("/stage", path="a.txt")
    page = desk.page()
    assert "git does not know you yet" in page
    form = desk.hidden(page, "/commit")
    assert desk.post("/commit", message="Prune", **form).status_code == 422
    desk.done("/commit", message="Prune", name="Ada", address="a@b.example", **form)
    assert desk.repo.plain("log", "-1", "--format=%an <%ae>") == b"Ada <a@b.example>\n"
