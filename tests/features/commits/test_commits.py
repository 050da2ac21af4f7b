"""From a change to a push, by the forms of the pages, in the app itself with real git."""

from __future__ import annotations

import html
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import gevent
import pytest
from flask import Flask, render_template_string
from werkzeug.test import TestResponse

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.commits import acts
from opcode_htmx.features.commits.acts import Acts, Outcome, Progress
from opcode_htmx.features.commits.services import services
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.git.discards import kept
from tests.lib.git.commands.repo import Repo
from tests.support.apps.in_process import app_of, client_of
from tests.support.clients import api
from tests.support.environment import Sandbox, until

HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


class Desk:
    """An app with a project that is a repository, and a browser without scripts."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.context: AppContext = app.extensions["opcode_context"]
        self.app = app
        self.repo = Repo(sandbox.project).make()
        self.repo.write("a.txt", "".join(f"{number}\n" for number in range(40)))
        self.repo.commit()
        text = api.prompt("Prune", sandbox.project)
        api.session(sandbox.config_dir, sandbox.project, text)
        self.git = f"/projects/{quote(project_id(sandbox.project))}/git"
        self.client = client_of(app)

    def page(self, where: str = "", /, **query: str) -> str:
        answer = self.client.get(f"{self.git}{where}", query_string=query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, where: str, /, **form: object) -> TestResponse:
        return self.client.post(f"{self.git}{where}", data=form)

    def done(self, where: str, /, **form: object) -> str:
        """The page after a form that has had success."""
        answer = self.post(where, **form)
        sentence = re.search(r'role="alert"[^>]*>(.*?)<|<p>(.*?)</p>', answer.text)
        assert answer.status_code == 303, sentence
        notice = {"Cookie": answer.headers.get("Set-Cookie", "").partition(";")[0]}
        return self.client.get(answer.headers["Location"], headers=notice).text

    def hidden(self, page: str, action: str) -> dict[str, str]:
        """The hidden fields of the form with an action."""
        part = page.partition(f'action="{self.git}{action}"')[2].partition("</form>")[0]
        return {name: html.unescape(value) for name, value in HIDDEN.findall(part)}

    def hook(self, name: str, script: str) -> Path:
        path = self.repo.write(f".git/hooks/{name}", f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return self.repo.top / "sprung"


@pytest.fixture
def desk(shared_app: Flask, own_project: Sandbox) -> Desk:
    return Desk(shared_app, own_project)


@pytest.fixture
def own_desk(sandbox: Sandbox, stand_in: Path) -> Iterator[Desk]:
    """One with an app of its own, for a test to change."""
    with app_of(sandbox, stand_in, jobs=False) as app:
        yield Desk(app, sandbox)


def changed_at(*numbers: int) -> str:
    return "".join(f"new {n}\n" if n in numbers else f"{n}\n" for n in range(40))


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


def test_a_merge_with_a_conflict_is_resolved_or_stopped(desk: Desk) -> None:
    repo = desk.repo
    repo.plain("switch", "-qc", "other")
    repo.write("a.txt", "theirs\n")
    repo.commit("theirs")
    repo.plain("switch", "-q", "main")
    repo.write("a.txt", "ours\n")
    repo.commit("ours")
    repo.plain("merge", "other", check=False)
    page = desk.page()
    assert "A merge has begun: resolve 1 conflict" in page
    assert desk.post("/continue", operation="merge").status_code == 409
    assert "is resolved" in desk.done("/resolve", path="a.txt", choice="theirs")
    assert "The merge is complete" in desk.done("/continue", operation="merge")
    assert (repo.top / "a.txt").read_text() == "theirs\n"
    assert desk.post("/abort", operation="merge").status_code == 409


def test_branches_and_stashes_by_their_forms(desk: Desk) -> None:
    repo = desk.repo
    desk.page("/branches")
    assert "You are on “grow” now" in desk.done("/branches", name="grow", switch="1")
    assert desk.post("/branches", name="a b").status_code == 422
    repo.write("a.txt", changed_at(3))
    desk.done("/stashes", message="Later")
    page = desk.page("/stashes")
    assert "On grow: Later" in page
    form = desk.hidden(page, "/stashes/take")
    desk.done("/stashes/drop", **form)
    bring = desk.hidden(desk.page("/kept"), "/kept")
    assert not bring.get("nothing")
    (stash,) = kept.listed(repo.git())
    desk.done(f"/kept/{stash.id}")
    desk.done("/stashes/take", **form)
    assert (repo.top / "a.txt").read_text() == changed_at(3)
    desk.done("/switch", name="main", changes="stash")
    head = repo.plain("rev-parse", "HEAD").decode().strip()
    assert "Deleted the branch" in desk.done("/branches/delete", name="grow", commit=head)


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


def test_a_lock_of_another_program_is_left_alone(desk: Desk) -> None:
    lock = desk.repo.top / ".git" / "index.lock"
    lock.touch()
    desk.repo.write("a.txt", "x")
    answer = desk.post("/stage", path="a.txt")
    assert (answer.status_code, "Another git command" in answer.text) == (409, True)
    assert lock.exists()


def test_an_act_can_be_cancelled_and_its_progress_is_shown(desk: Desk, tmp_path: Path) -> None:
    known = Acts(tmp_path / "acts", ())

    def work(progress: Progress) -> Outcome:
        progress(b"Counting\rWriting 1%\rWriting https://me:secret@x.example\n")
        gevent.sleep(60)
        raise AssertionError

    begun = gevent.spawn(known.begin, "p", "Push", "/", work)
    path = until(
        lambda: next((tmp_path / "acts").glob("*.json"), None), "it began",
        sleep=lambda: gevent.sleep(0.02),
    )  # fmt: skip
    assert path
    act_id = path.stem
    running = until(
        lambda: known.get("p", act_id).progress, "it reports", sleep=lambda: gevent.sleep(0.05)
    )
    assert running == "Writing https://***@x.example"
    known.cancel("p", act_id)
    assert begun.get().message == "It was cancelled."


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


def test_a_hook_that_takes_long_has_a_page_and_can_be_cancelled(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "PATIENCE", 0.3)
    mark = desk.hook("pre-commit", "touch sprung; echo thinking >&2; exec sleep 60")
    desk.repo.write("a.txt", changed_at(3))
    desk.done("/stage", path="a.txt")
    form = desk.hidden(desk.page(), "/commit")
    answer = desk.post("/commit", message="Prune", programs="run", **form)
    where = answer.headers["Location"]
    assert answer.status_code == 303
    until(mark.exists, "the hook runs", sleep=lambda: gevent.sleep(0.05))
    page = desk.client.get(where)
    assert "It is under way" in page.text
    assert page.headers["Refresh"] == "2"
    desk.client.post(f"{where}/cancel")
    until(
        lambda: "It was cancelled" in desk.client.get(where).text, "it ends",
        sleep=lambda: gevent.sleep(0.05),
    )  # fmt: skip
    assert not (desk.repo.top / ".git" / "index.lock").exists()
    assert desk.repo.plain("rev-list", "--count", "HEAD") == b"1\n"
    assert desk.client.get(where.replace("orchard", "other")).status_code == 404


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


def test_a_pull_brings_what_is_new_and_says_how_much(desk: Desk) -> None:
    repo = desk.repo
    repo.plain("init", "-q", "--bare", "-b", "main", "../bare")
    repo.plain("remote", "add", "origin", f"file://{repo.top.parent}/bare")
    repo.commit("second")
    repo.plain("push", "-qu", "origin", "main")
    repo.plain("reset", "-q", "--hard", "HEAD~1")
    form = desk.hidden(desk.page("/pull"), "/pull")
    assert desk.post("/pull", mode="", programs="run", **form).status_code == 422
    fetched = desk.done("/pull", mode="fetch", programs="run", **form)
    assert "Fetched from origin: 1 new commit." in fetched
    notice = desk.done("/pull", mode="ff-only", programs="run", **form)
    assert "Pulled 1 commit into “main”" in notice
    assert repo.plain("log", "-1", "--format=%s") == b"second\n"
