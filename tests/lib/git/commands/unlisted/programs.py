"""Programs that a repository names, and what they have left."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.lib.git.commands import commits, conflicts, staging
from opcode_htmx.lib.git.policy import Policy
from tests.lib.git.commands.repo import Repo


def log(repo: Repo) -> Path:
    return repo.top.parent / "ran"


def program(repo: Repo, name: str) -> str:
    return f"echo {name} >> {log(repo)}"


def conflict(repo: Repo, verb: str) -> None:
    """A conflict in `a`, which is resolved."""
    repo.plain("switch", "-qc", "other")
    repo.write("a", "1\n2\ntheirs\n")
    repo.commit("theirs")
    repo.plain("switch", "-q", "main")
    repo.write("a", "1\n2\nours\n")
    repo.commit("ours")
    repo.plain(verb, "other", check=False)
    conflicts.resolve(repo.git(), repo.state().conflicts[0], "theirs")


def commit(repo: Repo, policy: Policy) -> None:
    repo.write("a", "changed\n")
    staging.stage_files(repo.git(policy), repo.state().unstaged)
    commits.commit(repo.git(policy), "x")
    commits.commit(repo.git(policy), "y", amend=True)
