"""Exactly the programs are listed that a fetch or a login runs, with real git."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from opcode_htmx.lib.git.commands import programs, remotes
from opcode_htmx.lib.git.listing import addresses
from opcode_htmx.lib.git.policy import RUNNING
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.commands.repo import Repo

ACTS: tuple[programs.Act, ...] = ("push", "fetch")


def helpers(repo: Repo, act: programs.Act = "push") -> set[str]:
    """Of the repository: the computer may have some of its own."""
    found = programs.of(repo.git(), act, remote="origin").found
    return {
        each.command for each in found if each.kind == "credential helper" and each.of_repository
    }


IS_ASKED = {
    "https://x.example": True,
    "https://X.example:443/team": True,
    "https://*.example": True,
    "https://me@x.example": False,
    "https://x.example/other": False,
    "https://x.example:8443": False,
    "http://x.example": False,
    "https://y.example": False,
    "x.example": True,
    "y.example": False,
    "https://": True,
    "http://": False,
    "https://x%2Eexample": True,
    "https://me%40b@y.example": False,
    "https://y.example/a%20b": False,
    "x%2Eexample": True,
}
"""By patterns, whether git asks a helper for them about https://x.example/team/a."""


def test_a_helper_is_listed_if_git_asks_it_for_this_address(repo: Repo) -> None:
    repo.remote("https://x.example/team/a")
    log = repo.top.parent / "asked"
    patterns = {f"!echo '{pattern}' >> {log}; :": pattern for pattern in IS_ASKED}
    for command, pattern in patterns.items():
        repo.set(f"credential.{pattern}.helper", command)
    expected = {pattern for pattern, is_asked in IS_ASKED.items() if is_asked}
    for act in ACTS:
        assert {patterns[each] for each in helpers(repo, act)} == expected
    # git says the same: it asks one after another, for the address as it is pushed to
    url = b"url=https://x.example/team/a\n\n"
    repo.plain("-c", "core.askPass=false", "credential", "fill", check=False, stdin=url)
    assert set(log.read_text().splitlines()) == expected


def test_helpers_that_an_empty_one_resets_and_those_for_another_way_are_not_listed(
    repo: Repo,
) -> None:
    repo.remote("https://x.example/a")
    for value in ("first", "", "second"):
        repo.plain("config", "--add", "credential.helper", value)
    assert helpers(repo) == {"second"}
    repo.plain("remote", "set-url", "--push", "origin", "git@x.example:a")
    assert helpers(repo, "fetch") == {"second"}
    assert helpers(repo, "push") == set(), "it is over SSH"


@pytest.fixture
def redirecting() -> Iterator[int]:
    """A server that asks for a login at `localhost`, whereto it redirects from 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers["Host"]
            if host.startswith("127."):
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{port}{self.path}")
            else:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("is_listed", [False, True])
def test_a_redirect_reaches_no_helper_that_was_not_listed(
    repo: Repo, redirecting: int, is_listed: bool
) -> None:
    host = "localhost" if is_listed else "127.0.0.1"
    repo.remote(f"http://{host}:{redirecting}/a")
    mark = repo.top.parent / "asked"
    helper = f"!touch {mark}; :"
    repo.set(f"credential.http://localhost:{redirecting}.helper", helper)
    assert helpers(repo, "fetch") == ({helper} if is_listed else set())
    with pytest.raises(GitFailed, match="could not read"):
        remotes.fetch(repo.git(RUNNING), "origin", progress=lambda _: None)
    assert mark.exists() == is_listed


@pytest.mark.parametrize(
    "url",
    [
        "https://münchen.example/a",
        "https://x.example/a%b",
        "https://us:p@ss@x.example/a",
        "https://[fe80::1%25eth0]/a",
        "https://x%2Eexample/a",
        "https://[x/a%b",
        "https://x℀.example/a",
    ],
)
def test_of_an_address_that_git_matches_with_nothing_every_helper_is_listed(
    repo: Repo, url: str
) -> None:
    repo.set("credential.https://y.example.helper", "one")
    repo.set(f"credential.{url.removesuffix('/a')}.helper", "two")
    repo.set("credential.z.example.helper", "of no such host")
    repo.remote(url)
    assert helpers(repo, "push") == helpers(repo, "fetch") == {"one", "two"}


def test_the_same_holds_for_a_proxy(repo: Repo) -> None:
    repo.remote("https://x.example/a")
    repo.set("credential.https://y.example.helper", "one")
    assert helpers(repo) == set()
    repo.set("http.proxy", "http://me:p@ss@proxy.example:3128")
    assert helpers(repo) == {"one"}


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("http://localhost:{}/a%b", "http://localhost:{}"),
        ("http://local%68ost:{}/a", "localhost:{}"),
        ("http::http://localhost:{}/a", "http://localhost:{}"),
    ],
)
def test_a_fetch_asks_the_helper_that_is_listed_however_the_address_is_written(
    repo: Repo, redirecting: int, url: str, pattern: str
) -> None:
    repo.remote(url.format(redirecting))
    mark = repo.top.parent / "asked"
    helper = f"!touch {mark}; :"
    repo.set(f"credential.{pattern.format(redirecting)}.helper", helper)
    assert helpers(repo, "fetch") == {helper}
    with pytest.raises(GitFailed, match="could not read"):
        remotes.fetch(repo.git(RUNNING), "origin", progress=lambda _: None)
    assert mark.exists()


@pytest.mark.parametrize("key", ["url", "pushurl"])
def test_an_address_with_a_line_break_is_refused(repo: Repo, key: str) -> None:
    base = repo.top.parent / "a\nb"
    repo.plain("init", "-q", "--bare", "-b", "main", str(base))
    repo.remote("../plain")
    repo.plain("config", f"remote.origin.{key}", str(base))
    repo.plain("push", "-q", "origin", "main")  # git takes it
    with pytest.raises(GitFailed, match="“origin” has a line break"):
        programs.of(repo.git(), "push", remote="origin")
    with pytest.raises(GitFailed, match="“origin” has a line break"):
        remotes.push_plan(repo.git(RUNNING))


def test_a_line_break_that_a_setting_of_the_address_replaces_is_none(repo: Repo) -> None:
    repo.remote("x\ny:a")
    repo.set("url.../.insteadOf", "x\ny:")
    assert addresses.of(repo.git(), "origin", pushes=True) == ["../a"]


def test_line_breaks_in_addresses_of_other_remotes_do_not_matter(repo: Repo) -> None:
    for name in ("one", "two"):
        repo.plain("remote", "add", name, "odd\naddress")
        repo.plain("config", "--add", "remote.origin.url", f"../{name}")
    assert addresses.of(repo.git(), "origin", pushes=True) == ["../one", "../two"]
