"""A remote that asks for a login gets the one that a person types, and nothing else gets it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from opcode_htmx.features.commits import logins
from opcode_htmx.lib.git.commands.remotes import Remote
from opcode_htmx.lib.git.login import Login, Wanted, wanted
from tests.features.commits.desk import HIDDEN, Desk
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox
from tests.support.outside.git_server import GitServer, commit, git, git_server

USER, WORD = "ann", 'p\'w "$HOME" \\n `id`'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "served") as server:
        server.login = USER, WORD
        yield server


@pytest.fixture
def settings() -> dict[str, str]:
    return {}


@pytest.fixture
def desk(
    sandbox: Sandbox, stand_in: Path, server: GitServer, settings: dict[str, str]
) -> Iterator[Desk]:
    """A desk whose remote asks for a login."""
    bare = server.repository("a/b")
    github = {"OPCODE_REPOSITORIES_GITHUB": server.url}
    with app_of(sandbox, stand_in, jobs=False, **github, **settings) as app:
        desk = Desk(app, sandbox)
        desk.repo.plain("remote", "add", "origin", f"{server.url}/a/b.git")
        git(desk.repo.top, "fetch", "-q", str(bare), "main:refs/remotes/origin/main")
        git(desk.repo.top, "reset", "-q", "--hard", "origin/main")
        desk.repo.commit("Prune")
        yield desk


def push(desk: Desk) -> TestResponse:
    return desk.post("/push", programs="run", **desk.hidden(desk.page("/push"), "/push"))


def again(desk: Desk, asked: TestResponse, to: str = "/push", /, **login: str) -> TestResponse:
    """The form of the page that asks for a login, filled in."""
    part = asked.text.partition(f'action="{desk.git}{to}"')[2].partition("</form>")[0]
    fields = {name: html.unescape(value) for name, value in HIDDEN.findall(part)}
    return desk.post(to, programs="run", **fields, **login)


def login_form(answer: TestResponse) -> tuple[str, bool]:
    """The name of the user in it, and whether the login is to be kept."""
    user = re.search(r'name="login_user"[^>]* value="([^"]*)"', answer.text)
    assert user
    return html.unescape(user[1]), 'name="login_keep" value="1" checked' in answer.text


def test_a_push_goes_on_with_the_login_that_is_asked_for(
    desk: Desk, server: GitServer, sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = desk.hook("pre-push", "env > sprung; ps -ef >> sprung")
    asked = push(desk)
    assert asked.status_code == 409
    assert f"{server.url} asks for a login." in asked.text
    assert "not encrypted" in asked.text
    assert "Programs of the repository run meanwhile, and could read it." in asked.text
    refused = again(desk, asked, login_user=USER, login_password="wrong")
    assert "did not accept this user name and password" in refused.text
    pushed = again(desk, refused, login_user=USER, login_password=WORD)
    assert pushed.status_code == 303, html.unescape(pushed.text)
    bare = server.root / "a/b.git"
    assert git(bare, "log", "-1", "--format=%s", "main") == "Prune\n"
    assert seen.exists()

    desk.repo.commit("Water")
    assert push(desk).status_code == 409, "the login was for one act"
    found = [
        path
        for path in sandbox.home.rglob("*")
        if path.is_file() and not path.is_symlink() and WORD.encode() in path.read_bytes()
    ]
    printed = capfd.readouterr()
    assert (found, WORD in printed.out + printed.err) == ([], False)


def test_a_login_is_kept_and_forgotten_on_request(desk: Desk, server: GitServer) -> None:
    asked = push(desk)
    assert "without hooks" not in asked.text
    assert login_form(asked) == ("", False)
    refused = again(desk, asked, login_user=USER, login_password="wrong", login_keep="1")
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


def test_no_login_is_sent_where_the_repository_decides_who_reads_it(
    desk: Desk, server: GitServer
) -> None:
    asked = push(desk)
    for key in ("http.proxy", "http.sslVerify", "remote.origin.proxy"):
        desk.repo.plain("config", key, "false" if key.endswith("Verify") else server.url)
        login = {"login_origin": server.url, "login_user": USER, "login_password": WORD}
        refused = again(desk, asked, login_user=USER, login_password=WORD)
        assert (refused.status_code, "has changed since you looked" in refused.text) == (409, True)
        page = desk.page("/push")
        assert f"connection {key.lower()}</strong>" in page
        refused = desk.post("/push", programs="run", **desk.hidden(page, "/push"), **login)
        assert refused.status_code == 409
        assert f"own settings ({key.lower()}) affect who could read the login" in refused.text
        desk.repo.plain("config", "--unset", key)
    assert server.authorizations == []


@pytest.mark.parametrize("settings", [{"OPCODE_GITHUB_TOKEN": "gho-own", "GITHUB_USER": USER}])
def test_no_login_is_sent_while_hooks_of_a_folder_that_is_pushed_to_could_read_it(
    desk: Desk, server: GitServer, tmp_path: Path
) -> None:
    folder = tmp_path / "folder.git"
    git(tmp_path, "init", "-q", "--bare", str(folder))
    hook = folder / "hooks/pre-receive"
    hook.write_text(f"#!/bin/sh\nread -r word <&9 && touch {tmp_path}/sprung\n")
    hook.chmod(0o700)
    for url in (str(folder), f"{server.url}/a/b.git"):
        desk.repo.plain("remote", "set-url", "--add", "--push", "origin", url)
    server.login = USER, "gho-own"
    asked = push(desk)
    assert (asked.status_code, server.authorizations) == (409, [])
    refused = again(desk, asked, login_user=USER, login_password="gho-own")
    assert "is a folder on this computer" in refused.text
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("/srv/a.git", True),
        ("../a.git", True),
        ("./a:b", True),
        ("a", True),
        ("file:///srv/a.git", True),
        ("https://a.b/c", False),
        ("git@a.b:c/d", False),
        ("ssh://a.b/c", False),
    ],
)
def test_an_address_is_a_folder_as_git_tells_it(url: str, is_here: bool) -> None:
    assert Remote("origin", "https://a.b/c", (url,), "").pushes_here is is_here


def test_a_login_goes_to_the_host_that_was_shown_only(
    desk: Desk, server: GitServer, tmp_path: Path
) -> None:
    asked = push(desk)
    login = {"login_user": USER, "login_password": WORD}
    fields = desk.hidden(desk.page("/push"), "/push")
    other = desk.post("/push", programs="run", login_origin="https://b.example", **fields, **login)
    assert (other.status_code, "sent to nobody" in other.text) == (409, True)
    for wrong in ({"login_user": "a\nb"}, {"login_password": ""}):
        assert again(desk, asked, **{**login, **wrong}).status_code == 422
    with git_server(tmp_path / "trap") as trap:
        trap.login = USER, WORD
        server.redirect = trap.url
        elsewhere = again(desk, asked, login_user=USER, login_password=WORD)
        assert (elsewhere.status_code, trap.authorizations) == (409, [])
        assert "login_password" not in elsewhere.text
    assert server.authorizations == []


def test_a_program_gives_the_login_with_its_push(desk: Desk, server: GitServer) -> None:
    base = f"/api{desk.git}/push"
    digest = desk.client.get(base).get_json()["data"]["digest"]
    body = {"programs": "run", "digest": digest}
    asked = desk.client.post(base, json=body).get_json()["data"]
    assert (asked["state"], asked["login_for"]) == ("failed", server.url)
    login = {"origin": asked["login_for"], "user": USER, "password": WORD}
    done = desk.client.post(base, json={**body, "login": login}).get_json()["data"]
    assert (done["state"], done["login_for"]) == ("done", "")


@pytest.mark.parametrize("settings", [{"OPCODE_GITHUB_TOKEN": "gho-own", "GITHUB_USER": USER}])
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


@pytest.mark.parametrize("settings", [{"OPCODE_GITHUB_TOKEN": "gho-own", "GITHUB_USER": USER}])
def test_who_writes_a_hook_or_a_setting_meanwhile_does_not_get_the_servers_token(
    desk: Desk, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Claude can, while the first attempt waits for the remote."""
    server.login = USER, "gho-own"

    def push_during(change: Callable[[], object]) -> int:
        def asked(errors: str) -> Wanted | None:
            change()
            return wanted(errors)

        desk.repo.commit("Water")
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(logins, "wanted", asked)
            return push(desk).status_code

    sprung = desk.repo.top / "sprung"
    assert push_during(lambda: desk.hook("pre-push", "cat <&9 >sprung & sleep 0.1")) == 303
    assert not sprung.exists()
    (desk.repo.top / ".git/hooks/pre-push").unlink()
    server.authorizations.clear()
    proxied = "http.proxy", server.url
    assert push_during(lambda: desk.repo.plain("config", *proxied)) == 409
    assert server.authorizations == []


TOKEN = "glpat-typed-as-the-name-of-a-user"


def files_with(sandbox: Sandbox, text: str) -> list[Path]:
    return [
        path
        for path in sandbox.home.rglob("*")
        if path.is_file() and not path.is_symlink() and text.encode() in path.read_bytes()
    ]


def test_a_token_typed_as_the_user_is_in_no_file_and_not_in_what_the_remote_repeats(
    desk: Desk, sandbox: Sandbox, server: GitServer
) -> None:
    login = Login.typed(server.url, TOKEN, WORD)
    assert login.without(f"remote: {TOKEN} and {WORD}") == "remote: … and …"
    assert Login.typed(server.url, USER, WORD).without(f"remote: {USER}") == f"remote: {USER}"
    refused = again(desk, push(desk), login_user=TOKEN, login_password="x-oauth-basic")
    assert "did not accept" in refused.text
    assert login_form(refused) == (TOKEN, False), "this worker remembers it for the next try"
    assert files_with(sandbox, TOKEN) == []


def evil(desk: Desk, tmp_path: Path) -> Path:
    """A remote whose program reads what git was given; gives the file that it writes."""
    sprung, program = tmp_path / "sprung", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ncat <&9 > {sprung} & sleep 0.1\nexit 1\n")
    program.chmod(0o700)
    desk.repo.plain("config", "remote.evil.url", str(tmp_path))
    desk.repo.plain("config", "remote.evil.uploadpack", str(program))
    return sprung


def test_a_fetch_from_a_remote_is_not_one_from_a_group_of_its_name(
    desk: Desk, tmp_path: Path
) -> None:
    sprung = evil(desk, tmp_path)
    desk.repo.plain("config", "remotes.origin", "evil origin")
    fields = desk.hidden(desk.page("/pull"), "/pull")
    asked = desk.post("/pull", mode="fetch", programs="run", **fields)
    assert (asked.status_code, sprung.exists()) == (409, False)


@pytest.mark.parametrize("settings", [{"OPCODE_GITHUB_TOKEN": "gho-own", "GITHUB_USER": USER}])
def test_no_login_is_sent_while_the_program_of_another_remote_gets_missing_objects(
    desk: Desk, server: GitServer, tmp_path: Path
) -> None:
    sprung = evil(desk, tmp_path)
    desk.repo.write("missing.txt", "of a partial clone")
    desk.repo.commit("Water")
    desk.repo.plain("config", "core.repositoryFormatVersion", "1")
    desk.repo.plain("config", "extensions.partialClone", "evil")
    blob = desk.repo.plain("rev-parse", "HEAD:missing.txt").decode().strip()
    server.login = USER, "gho-own"
    page = desk.page("/push")
    assert str(tmp_path / "program") in page, "it is among the programs that would run"
    (desk.repo.top / ".git/objects" / blob[:2] / blob[2:]).unlink()
    fields = desk.hidden(page, "/push")
    for choice in ("without", "run"):
        assert desk.post("/push", programs=choice, **fields).status_code == 409
    fields = desk.hidden(page, "/push") | {"login_origin": server.url}
    login = {"login_user": USER, "login_password": "gho-own"}
    refused = desk.post("/push", programs="without", **fields, **login)
    assert "remote.evil.uploadpack" in refused.text
    assert server.authorizations == []
    assert not sprung.exists() or "gho-own" not in sprung.read_text()
