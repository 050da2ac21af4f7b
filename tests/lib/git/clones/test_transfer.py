"""Clones from a real git server: with a login, killed in the middle, refreshed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import gevent
import psutil
import pytest

from opcode_htmx.lib.git.clones import transfer
from opcode_htmx.lib.git.clones.bare import BareRepository
from opcode_htmx.lib.git.login import Login
from opcode_htmx.lib.git.process import GitFailed
from tests.support.environment import SYSTEM_PATH, until
from tests.support.outside.git_server import GitServer, commit, git, git_server

TOKEN = "ghp_a-token-that-nobody-sees"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": SYSTEM_PATH, "HOME": str(tmp_path)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "served") as server:
        yield server


def everything_in(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())


def test_a_clone_has_the_branches_of_the_remote_and_its_own_is_that_of_head(
    server: GitServer, tmp_path: Path, environment: dict[str, str]
) -> None:
    server.repository("o/n", branches=("other", "deep/er"))
    transfer.clone(f"{server.url}/o/n.git", tmp_path / "c", environment)
    found = BareRepository.at(tmp_path / "c", environment)
    assert set(found.refs()) == {
        "refs/heads/main",
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/main",
        "refs/remotes/origin/other",
        "refs/remotes/origin/deep/er",
    }
    assert found.head() == "refs/heads/main"


def test_a_branch_with_an_odd_end_of_line_in_its_name_is_one_branch(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    remote = GitServer(tmp_path).repository("o/n", branches=("a\u2028b", "a"))
    url = f"file://{remote}"
    transfer.clone(url, tmp_path / "c", environment)
    found = BareRepository.at(tmp_path / "c", environment)
    names = {"refs/remotes/origin/a\u2028b", "refs/remotes/origin/a"}
    assert names < set(found.refs())
    commit(remote, "a\u2028b", {"new": "x"})
    transfer.refresh(tmp_path / "c", url, environment)
    assert len({found.refs()[each] for each in names}) == 2


def test_an_empty_repository_is_cloned(
    server: GitServer, tmp_path: Path, environment: dict[str, str]
) -> None:
    (server.root / "o").mkdir(parents=True)
    git(server.root, "init", "-q", "--bare", "o/n.git")
    transfer.clone(f"{server.url}/o/n.git", tmp_path / "c", environment)
    assert BareRepository.at(tmp_path / "c", environment).refs() == {}


def test_a_private_clone_has_the_token_in_no_argument_no_file_and_no_message(
    server: GitServer, tmp_path: Path, environment: dict[str, str]
) -> None:
    server.repository("o/n", files=40)
    server.login = ("me", TOKEN)
    server.hold = threading.Event()
    login = Login(server.url, "me", TOKEN)
    environment["GITHUB_TOKEN"] = TOKEN
    stderr = bytearray()
    work = gevent.spawn(transfer.clone, f"{server.url}/o/n.git", tmp_path / "c", environment,
                        login, stderr.extend)  # fmt: skip
    until(server.held.is_set, "it is being sent", sleep=lambda: gevent.sleep(0.02))
    children = psutil.Process().children(recursive=True)
    lines = [" ".join(each.cmdline()) for each in children]
    assert any("remote-http" in line for line in lines)
    assert not any(TOKEN in line for line in lines)
    variables = [each.environ() for each in children if each.cmdline()]
    assert not any(TOKEN in value for each in variables for value in each.values())
    server.hold.set()
    work.get(timeout=60)
    assert f"me:{TOKEN}" in server.authorizations
    assert TOKEN.encode() not in everything_in(tmp_path / "c")
    assert TOKEN.encode() not in stderr
    assert TOKEN not in repr(login)

    server.login = ("me", "another")
    with pytest.raises(GitFailed) as refused:
        transfer.clone(f"{server.url}/o/n.git", tmp_path / "d", environment, login)
    assert TOKEN not in str(refused.value) + refused.value.errors


def test_the_token_goes_to_its_host_only(
    server: GitServer, tmp_path: Path, environment: dict[str, str]
) -> None:
    with git_server(tmp_path / "elsewhere") as elsewhere:
        elsewhere.login = ("me", TOKEN)
        elsewhere.repository("o/n")
        login = Login(server.url, "me", TOKEN)
        server.login, server.redirect = ("me", TOKEN), elsewhere.url
        for url in (server.url, elsewhere.url):
            with pytest.raises(GitFailed):
                transfer.clone(f"{url}/o/n.git", tmp_path / "c", environment, login)
        assert elsewhere.paths
        assert elsewhere.authorizations == []


def test_a_killed_clone_ends_git_at_once(
    server: GitServer, tmp_path: Path, environment: dict[str, str]
) -> None:
    server.repository("o/n", files=40)
    server.hold = threading.Event()
    work = gevent.spawn(transfer.clone, f"{server.url}/o/n.git", tmp_path / "c", environment)
    until(server.held.is_set, "it is being sent", sleep=lambda: gevent.sleep(0.02))
    (root,) = [each for each in psutil.Process().children() if each.name() == "git"]
    family = [root, *root.children(recursive=True)]
    assert len(family) > 1
    work.kill()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def test_a_refresh_brings_the_remote_s_branches_and_leaves_the_local_ones(
    server: GitServer, tmp_path: Path, environment: dict[str, str]
) -> None:
    remote = server.repository("o/n", branches=("gone", "a"))
    url = f"{server.url}/o/n.git"
    transfer.clone(url, tmp_path / "c", environment)
    cache = BareRepository.at(tmp_path / "c", environment)
    mine = cache.refs("refs/heads/main")["refs/heads/main"]
    git(tmp_path / "c", "branch", "mine", mine)
    commit(remote, "main", {"new": "x"})
    git(remote, "branch", "-D", "gone", "a")
    git(remote, "branch", "a/b", "main")
    git(remote, "tag", "-a", "-m", "one", "v1", "main")
    transfer.refresh(tmp_path / "c", url, environment)
    new = git(remote, "rev-parse", "main").strip()
    refs = cache.refs()
    assert refs.pop("refs/tags/v1")
    assert refs == {
        "refs/heads/main": mine,
        "refs/heads/mine": mine,
        "refs/remotes/origin/HEAD": new,
        "refs/remotes/origin/main": new,
        "refs/remotes/origin/a/b": new,
    }
    assert cache.run("cat-file", "-t", new).content == b"commit\n"


def test_a_refresh_reads_no_configuration_of_the_repository_while_it_has_the_token(
    server: GitServer, tmp_path: Path, environment: dict[str, str]
) -> None:
    server.repository("o/n")
    server.login = ("me", TOKEN)
    url, cache, mark = f"{server.url}/o/n.git", tmp_path / "c", tmp_path / "mark"
    login = Login(server.url, "me", TOKEN)
    transfer.clone(url, cache, environment, login)
    steal = f"!touch {mark}; cat >>{mark}; env >>{mark}; false"
    for key, value in (
        ("credential.helper", steal),
        (f"credential.{server.url}.helper", steal),
        ("core.askPass", f"touch {mark}"),
        ("core.fsmonitor", f"touch {mark}"),
        ("core.alternateRefsCommand", f"touch {mark}"),
        ("url.http://127.0.0.1:9/.insteadOf", server.url),
        ("http.proxy", "http://127.0.0.1:9"),
    ):
        git(cache, "config", key, value)
    hooks = cache / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "reference-transaction").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (hooks / "reference-transaction").chmod(0o755)
    commit(server.root / "o" / "n.git", "main", {"new": "x"})
    transfer.refresh(cache, url, environment, login)
    assert not mark.exists()
    new = git(server.root / "o" / "n.git", "rev-parse", "main").strip()
    found = BareRepository.at(cache, environment).refs()
    assert found["refs/remotes/origin/main"] == new
