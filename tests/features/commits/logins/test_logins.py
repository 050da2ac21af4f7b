"""A remote that asks for a login gets the one that a person types."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from opcode_htmx.lib.git.login import Login
from tests.features.commits.desk import Desk
from tests.features.commits.logins.pushing import USER, WORD, again, push
from tests.support.environment import Sandbox
from tests.support.outside.git_server import GitServer, commit, git


def login_form(answer: TestResponse) -> tuple[str, bool]:
    """The name of the user in it, and whether the login is to be kept."""
    user = re.search(r'name="login_user"[^>]* value="([^"]*)"', answer.text)
    assert user
    return html.unescape(user[1]), 'name="login_keep" value="1" checked' in answer.text


def files_with(sandbox: Sandbox, text: str) -> list[Path]:
    """Those of the home, without the projects of other tests."""
    work = sandbox.home / "work"
    places = [each for each in sandbox.home.iterdir() if each != work] + [sandbox.project]
    return [
        path
        for place in places
        for path in (place, *place.rglob("*"))
        if path.is_file() and not path.is_symlink() and text.encode() in path.read_bytes()
    ]


def test_a_push_goes_on_with_the_login_that_is_asked_for(
    desk: Desk, server: GitServer, own_project: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = desk.hook("pre-push", "env > sprung; ps -ef >> sprung")
    asked = push(desk)
    assert asked.status_code == 409
    assert f"{server.url} asks for a login." in asked.text
    assert "not encrypted" in asked.text
    assert "Programs of the repository run meanwhile, and could read it." in asked.text
    pushed = again(desk, asked, login_user=USER, login_password=WORD)
    assert pushed.status_code == 303, html.unescape(pushed.text)
    bare = server.root / "a/b.git"
    assert git(bare, "log", "-1", "--format=%s", "main") == "Prune\n"
    assert seen.exists()

    desk.repo.commit("Water")
    assert push(desk).status_code == 409, "the login was for one act"
    found = files_with(own_project, WORD)
    printed = capfd.readouterr()
    assert (found, WORD in printed.out + printed.err) == ([], False)


def test_a_login_is_kept_and_forgotten_on_request(desk: Desk, server: GitServer) -> None:
    asked = push(desk)
    assert "without hooks" not in asked.text
    assert login_form(asked) == ("", False)
    refused = again(desk, asked, login_user=USER, login_password="wrong", login_keep="1")
    assert "did not accept this user name and password" in refused.text
    assert login_form(refused) == (USER, True)
    kept = again(desk, refused, login_user=USER, login_password=WORD, login_keep="1")
    assert kept.status_code == 303
    desk.repo.commit("Water")
    page = desk.page("/push")
    assert f"The login of {USER} at {server.url} is kept" in page
    assert "could read it" not in page
    desk.hook("pre-push", "true")
    assert "is kept until this server stops. Programs of the repository" in desk.page("/push")
    (desk.repo.top / ".git/hooks/pre-push").unlink()
    assert push(desk).status_code == 303
    fields = desk.hidden(page, "/forget-login")
    assert "kept no longer" in desk.done("/forget-login", **fields)
    assert "is kept until" not in desk.page("/push")
    desk.repo.commit("Rake")
    assert push(desk).status_code == 409


def test_a_login_that_was_accepted_is_kept_although_the_push_is_refused(
    desk: Desk, server: GitServer
) -> None:
    commit(server.root / "a/b.git", "main", {"theirs.txt": "new"})
    refused = again(desk, push(desk), login_user=USER, login_password=WORD, login_keep="1")
    assert "Pull first, then push again." in refused.text
    assert '/git/pull?remote=origin">Pull or fetch</a>' in refused.text
    fields = desk.hidden(desk.page("/pull"), "/pull")
    assert desk.post("/pull", mode="fetch", programs="run", **fields).status_code == 303


def test_a_fetch_asks_as_well(desk: Desk, server: GitServer) -> None:
    fields = desk.hidden(desk.page("/pull"), "/pull")
    asked = desk.post("/pull", mode="fetch", programs="run", **fields)
    assert "asks for a login" in asked.text
    fetched = again(desk, asked, "/pull", login_user=USER, login_password=WORD)
    assert fetched.status_code == 303


def test_a_program_gives_the_login_with_its_push(desk: Desk, server: GitServer) -> None:
    base = f"/api{desk.git}/push"
    digest = desk.client.get(base).get_json()["data"]["digest"]
    body = {"programs": "run", "digest": digest}
    asked = desk.client.post(base, json=body).get_json()["data"]
    assert (asked["state"], asked["login_for"]) == ("failed", server.url)
    login = {"origin": asked["login_for"], "user": USER, "password": WORD}
    done = desk.client.post(base, json={**body, "login": login}).get_json()["data"]
    assert (done["state"], done["login_for"]) == ("done", "")


@pytest.mark.parametrize("is_github", [True])
def test_the_servers_own_token_is_used_where_nobody_else_could_read_it(
    desk: Desk, server: GitServer
) -> None:
    server.login = USER, "gho-own"
    assert "it gets this server’s GitHub token" in desk.page("/push")
    assert push(desk).status_code == 303
    assert "it gets this server’s GitHub token" in desk.page("/pull")
    desk.repo.commit("Water")
    desk.hook("pre-push", "true")
    server.authorizations.clear()
    asked = push(desk)
    assert (asked.status_code, server.authorizations) == (409, [])
    fields = desk.hidden(desk.page("/push"), "/push")
    assert desk.post("/push", programs="without", **fields).status_code == 303
    server.login = USER, "another"
    desk.repo.commit("Rake")
    fields = desk.hidden(desk.page("/push"), "/push")
    refused = desk.post("/push", programs="without", **fields)
    assert "did not accept this user name and password" in refused.text
    assert login_form(refused) == ("", False), "the server's own is nobody's to complete"


TOKEN = "glpat-typed-as-the-name-of-a-user"


def test_a_token_typed_as_the_user_is_in_no_file_and_not_in_what_the_remote_repeats(
    desk: Desk, own_project: Sandbox, server: GitServer
) -> None:
    login = Login.typed(server.url, TOKEN, WORD)
    assert login.without(f"remote: {TOKEN} and {WORD}") == "remote: … and …"
    assert Login.typed(server.url, USER, WORD).without(f"remote: {USER}") == f"remote: {USER}"
    refused = again(desk, push(desk), login_user=TOKEN, login_password="x-oauth-basic")
    assert "did not accept" in refused.text
    assert login_form(refused) == (TOKEN, False), "this worker remembers it for the next try"
    assert files_with(own_project, TOKEN) == []
