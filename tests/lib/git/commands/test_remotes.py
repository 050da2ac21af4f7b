"""Fetch, pull and push do exactly what was shown, with real repositories on the disk."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from opcode_htmx.lib.git.commands import branches, remotes, words
from opcode_htmx.lib.git.commands.remotes import PullMode
from opcode_htmx.lib.git.commands.state import StateChanged
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import RUNNING
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.commands.repo import Repo, with_one_commit
from tests.support.copies import fill
from tests.support.environment import free_port, until


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository with a bare remote beside it, to which nothing was pushed yet."""
    fill(tmp_path, _with_remote)
    return Repo(tmp_path / "orchard")


def _with_remote(folder: Path) -> Repo:
    repo = with_one_commit(folder / "orchard", "one\n")
    repo.plain("init", "-q", "--bare", "-b", "main", "../bare")
    repo.remote(f"file://{folder}/bare")
    return repo


@pytest.fixture
def pushed(tmp_path: Path) -> Repo:
    """The same after its first push, with a clone of somebody else's beside it."""
    fill(tmp_path, _pushed)
    return Repo(tmp_path / "orchard")


def _pushed(folder: Path) -> None:
    push(_with_remote(folder))
    other = Repo(folder / "other").make()
    other.remote(f"file://{folder}/bare")
    other.plain("pull", "-q", "--set-upstream", "origin", "main")


def other(repo: Repo) -> Repo:
    return Repo(repo.top.parent / "other")


def ignore(_: bytes) -> None:
    pass


def git(repo: Repo) -> Git:
    return repo.git(RUNNING)


def push(repo: Repo, *, overwrite: bool = False) -> str:
    plan = remotes.push_plan(git(repo))
    return remotes.push(git(repo), plan, overwrite=overwrite, progress=ignore)


def test_the_first_push_sets_the_upstream_and_reports_progress(repo: Repo) -> None:
    plan = remotes.push_plan(repo.git())
    assert (plan.branch, plan.target, plan.lease, plan.sets_upstream) == ("main", "main", "", True)
    assert [each.subject for each in plan.new] == ["first"]
    pieces: list[bytes] = []
    remotes.push(git(repo), plan, overwrite=False, progress=pieces.append)
    assert pieces
    state = repo.state()
    assert (state.upstream, state.ahead, state.behind) == ("origin/main", 0, 0)
    repo.commit("second")
    plan = remotes.push_plan(repo.git())
    assert ([each.subject for each in plan.new], plan.sets_upstream) == (["second"], False)
    repo.commit("third")
    with pytest.raises(StateChanged, match="Nothing was pushed"):
        remotes.push(git(repo), plan, overwrite=False, progress=ignore)


def test_a_push_overwrites_exactly_what_was_shown(pushed: Repo) -> None:
    repo = pushed
    repo.commit("second")
    push(repo)
    repo.plain("commit", "-q", "--amend", "--allow-empty", "-m", "rewritten")
    plan = remotes.push_plan(repo.git())
    assert [each.subject for each in plan.overwritten] == ["second"]
    with pytest.raises(GitFailed) as raised:
        remotes.push(git(repo), plan, overwrite=False, progress=ignore)
    assert "Pull first" in str(words.refusal(raised.value))
    somebody = other(repo)
    somebody.plain("pull", "-q")
    somebody.commit("theirs")
    somebody.plain("push", "-q")
    with pytest.raises(GitFailed) as raised:
        remotes.push(git(repo), plan, overwrite=True, progress=ignore)
    assert "has changed since you looked" in str(words.refusal(raised.value))
    remotes.fetch(git(repo), "origin", progress=ignore)
    assert [e.subject for e in remotes.push_plan(git(repo)).overwritten] == ["theirs", "second"]
    push(repo, overwrite=True)
    assert repo.plain("--git-dir=../bare", "log", "-1", "--format=%s") == b"rewritten\n"


@pytest.mark.parametrize("mode", ["ff-only", "merge", "rebase"])
@pytest.mark.parametrize("diverged", [False, True])
def test_a_pull_is_a_fast_forward_a_merge_or_a_rebase(
    pushed: Repo, mode: PullMode, diverged: bool
) -> None:
    repo, somebody = pushed, other(pushed)
    somebody.write("b", "b\n")
    somebody.commit("theirs")
    somebody.plain("push", "-q")
    if diverged:
        repo.write("c", "c\n")
        repo.commit("mine")
    repo.set("pull.rebase", "interactive")
    repo.set("branch.main.mergeOptions", "--squash")
    remotes.fetch(git(repo), "origin", progress=ignore)
    if diverged and mode == "ff-only":
        with pytest.raises(GitFailed) as raised:
            remotes.integrate(git(repo), mode)
        assert "Choose to merge or to rebase" in str(words.refusal(raised.value))
        return
    said = remotes.integrate(git(repo), mode)
    assert said.startswith("Pulled ")
    subjects = repo.plain("log", "--format=%s").decode().split("\n")[:-1]
    assert {"first", "theirs"} <= set(subjects)
    merges = repo.plain("rev-list", "--count", "--merges", "HEAD")
    assert merges == (b"1\n" if diverged and mode == "merge" else b"0\n")
    assert "has everything already" in remotes.integrate(git(repo), mode)


def test_a_remote_branch_is_switched_to_as_one_that_follows_it(pushed: Repo) -> None:
    repo, somebody = pushed, other(pushed)
    somebody.plain("switch", "-qc", "grow/it")
    somebody.commit("theirs")
    somebody.plain("push", "-qu", "origin", "grow/it")
    remotes.fetch(git(repo), "origin", progress=ignore)
    found = {each.name for each in branches.listed(repo.git())[0] if each.is_remote}
    assert found == {"origin/main", "origin/grow/it"}
    assert branches.switch(repo.git(), "origin/grow/it", is_remote=True) == "grow/it"
    assert remotes.upstream(repo.git(), "grow/it")[:2] == ("origin", "grow/it")


def test_a_fetch_writes_over_no_branch_of_the_person(pushed: Repo) -> None:
    repo = pushed
    repo.commit("mine")
    head = repo.head()
    repo.plain("config", "remote.origin.fetch", "+refs/*:refs/*")
    repo.plain("switch", "-qc", "elsewhere")
    remotes.fetch(git(repo), "origin", prune=True, progress=ignore)
    assert branches.commit_of(repo.git(), "main") == head


def test_no_login_in_an_address_is_shown(repo: Repo) -> None:
    repo.plain("remote", "set-url", "origin", "https://me:s3cret@github.com/a/b.git")
    (found,) = remotes.listed(repo.git())
    assert (found.fetch_url, found.github) == ("https://***@github.com/a/b.git", "a/b")
    assert "s3cret" not in repr(found)
    refused = words.refusal(GitFailed("x", status=1, errors="at https://me:s3cret@x.example/a: y"))
    assert "s3cret" not in refused.output


@pytest.mark.parametrize("url", ["ext::touch sprung", "short:x"])
def test_a_remote_that_names_a_program_runs_none(repo: Repo, url: str) -> None:
    repo.set("url.ext::touch sprung .insteadOf", "short:")
    repo.set("protocol.ext.allow", "always")
    repo.plain("remote", "set-url", "origin", url)
    with pytest.raises(GitFailed) as raised:
        remotes.fetch(git(repo), "origin", progress=ignore)
    assert "may not use this kind of address" in str(words.refusal(raised.value))
    with pytest.raises(GitFailed):
        push(repo)
    assert not list(repo.top.parent.rglob("sprung*"))


def test_remotes_and_branches_like_options_are_no_options(repo: Repo) -> None:
    repo.set("remote.--upload-pack=x.url", "file:///x")
    assert [each.name for each in remotes.listed(repo.git())] == ["origin"]
    head = repo.head()
    repo.plain("update-ref", "refs/heads/--orphan", head)
    with pytest.raises(branches.NoBranch):
        branches.switch(repo.git(), "--orphan")
    plan = replace(remotes.push_plan(repo.git()), remote=remotes.Remote("-x", "", (), ""))
    with pytest.raises(remotes.NoRemote):
        remotes.push(git(repo), plan, overwrite=False, progress=ignore)


def test_a_push_and_a_fetch_over_the_network(repo: Repo) -> None:
    port = free_port()
    options = ["--base-path=..", "--export-all", "--enable=receive-pack", "--reuseaddr"]
    command = ["/usr/bin/env", "git", "daemon", *options, "--listen=127.0.0.1", f"--port={port}"]
    daemon = subprocess.Popen(
        command, cwd=repo.top, env=dict(repo.environment), start_new_session=True
    )
    try:
        until(lambda: is_open(port), "it listens")
        repo.plain("remote", "set-url", "origin", f"git://127.0.0.1:{port}/bare")
        push(repo)
        assert repo.plain("--git-dir=../bare", "log", "--format=%s") == b"first\n"
        remotes.fetch(git(repo), "origin", progress=ignore)
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()
    with pytest.raises(GitFailed) as raised:
        remotes.fetch(git(repo), "origin", progress=ignore)
    assert str(words.refusal(raised.value)) == "The remote does not answer."


def is_open(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0
