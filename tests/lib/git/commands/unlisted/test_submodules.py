"""No act runs what a submodule names."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.lib.git.commands import conflicts, stashes
from opcode_htmx.lib.git.discards import files
from opcode_htmx.lib.git.integration import kept, merges
from opcode_htmx.lib.git.policy import RUNNING, WRITING, Policy
from tests.lib.git.commands.repo import Repo, with_one_commit
from tests.lib.git.commands.unlisted.programs import commit, conflict, log, program
from tests.support.copies import fill


@pytest.fixture
def repo(tmp_path: Path, is_named: bool) -> Repo:
    fill(tmp_path, with_named_submodule if is_named else with_submodule)
    return Repo(tmp_path / "orchard")


def with_named_submodule(folder: Path) -> None:
    with_submodule(folder, is_named=True)


def with_submodule(folder: Path, *, is_named: bool = False) -> None:
    """One, with another one in it, in which git would run filters to see whether it has changed."""
    repo = with_one_commit(folder / "orchard", "1\n2\n3\n")
    top = Repo(repo.top / "inner").make()
    places = [Repo(top.top / "deep").make(), top]
    for each in places:
        each.write("file", "x\n")
        each.write(".gitattributes", "file filter=own\n")
        each.commit()
    if is_named:
        repo.write(".gitmodules", '[submodule "inner"]\n\tpath = inner\n\turl = ../inner\n')
    repo.commit("a submodule")
    for each in places:
        for kind in ("clean", "process"):
            command = f"{program(repo, kind)}; cat"
            each.set(f"filter.own.{kind}", command)
        each.set("core.fsmonitor", f"{program(repo, 'monitor')}; false")
        hook = each.write(".git/hooks/post-index-change", f"#!/bin/sh\n{program(repo, 'hook')}\n")
        hook.chmod(0o755)
        each.write("file", "y\n")
    log(repo).unlink(missing_ok=True)


def stash(repo: Repo, policy: Policy) -> None:
    repo.write("a", "stashed\n")
    made = stashes.push(repo.git(policy))
    assert made
    stashes.take(repo.git(policy), made, drop=True)


def stash_of_everything(repo: Repo, policy: Policy) -> None:
    repo.write("new", "new\n")
    assert stashes.push(repo.git(policy))
    assert not repo.plain("status", "--short", "--ignore-submodules")


def commit_of_everything(repo: Repo, policy: Policy) -> None:
    repo.write("a", "changed again\n")
    repo.write("new", "new\n")
    merges.commit_all(repo.git(policy), "x")
    assert repo.plain("show", "--format=", "--name-only") == b"a\nnew\n"


def snapshot(repo: Repo, policy: Policy) -> None:
    repo.write("a", "changed for a snapshot\n")
    repo.write("new", "changed\n")
    commit = kept.take(repo.git(policy))
    assert repo.plain("diff", "--name-only", "HEAD", commit) == b"a\nnew\n"


def discard(repo: Repo, policy: Policy) -> None:
    entries = [each for each in repo.state().unstaged if each.path in (b"a", b"new")]
    files.discard_files(repo.git(policy), entries, "a")
    assert not repo.plain("status", "--short", "--ignore-submodules")


def going_on(repo: Repo, policy: Policy) -> None:
    conflict(repo, "rebase")
    log(repo).unlink(missing_ok=True)
    conflicts.go_on(repo.git(policy), "rebase")
    assert not log(repo).exists()
    _as_before(repo)


def stopping(repo: Repo, policy: Policy) -> None:
    for verb in ("rebase", "merge"):
        conflict(repo, verb)
        log(repo).unlink(missing_ok=True)
        conflicts.abort(repo.git(policy), verb)
        assert not log(repo).exists()
        _as_before(repo)


def _as_before(repo: Repo) -> None:
    repo.plain("branch", "-qD", "other")
    repo.write("a", "1\n2\n3\n")
    repo.commit()
    log(repo).unlink(missing_ok=True)


ACTS = [
    *(stash, stash_of_everything, commit, commit_of_everything),
    *(snapshot, discard, going_on, stopping),
]
"""One after another."""


@pytest.mark.parametrize(
    ("is_named", "policy"),
    [(True, WRITING), (True, RUNNING), (False, RUNNING)],
    ids=["named-writing", "named-running", "unnamed-running"],
)
def test_no_act_runs_what_a_submodule_names(repo: Repo, policy: Policy) -> None:
    for act in ACTS:
        act(repo, policy)
        assert not log(repo).exists(), (act, log(repo).read_text())
