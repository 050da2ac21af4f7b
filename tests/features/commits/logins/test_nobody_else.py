"""Nothing but the remote that was shown gets the login for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.features.commits import logins
from opcode_htmx.lib.git.commands.remotes import Remote
from opcode_htmx.lib.git.login import Wanted, wanted
from tests.features.commits.desk import Desk
from tests.features.commits.logins.pushing import USER, WORD, again, push
from tests.support.outside.git_server import GitServer, git, git_server


def test_no_login_is_sent_where_the_repository_decides_who_reads_it(
    desk: Desk, server: GitServer
) -> None:
    asked = push(desk)
    for key in ("http.proxy", "remote.origin.proxy"):
        desk.repo.plain("config", key, server.url)
        login = {"login_origin": server.url, "login_user": USER, "login_password": WORD}
        if key == "http.proxy":  # whichever of them it is
            refused = again(desk, asked, login_user=USER, login_password=WORD)
            assert refused.status_code == 409
            assert "has changed since you looked" in refused.text
        page = desk.page("/push")
        assert f"connection {key.lower()}</strong>" in page
        refused = desk.post("/push", programs="run", **desk.hidden(page, "/push"), **login)
        assert refused.status_code == 409
        assert f"own settings ({key.lower()}) affect who could read the login" in refused.text
        desk.repo.plain("config", "--unset", key)
    assert server.authorizations == []


@pytest.mark.parametrize("is_github", [True])
def test_no_login_is_sent_while_hooks_of_a_folder_that_is_pushed_to_could_read_it(
    desk: Desk, server: GitServer, tmp_path: Path
) -> None:
    folder = tmp_path / "folder.git"
    git(tmp_path, "init", "-q", "--bare", str(folder))
    hook = folder / "hooks/pre-receive"
    hook.parent.mkdir()
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


@pytest.mark.parametrize("is_github", [True])
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


@pytest.mark.parametrize("is_github", [True])
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
