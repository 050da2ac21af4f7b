"""A change that is staged, and two branches that are in conflict."""

from __future__ import annotations

from opcode_htmx.lib.git.commands import staging
from tests.lib.git.commands.repo import Repo


def stage(repo: Repo, content: str = "two\n") -> None:
    repo.write("a", content)
    staging.stage_files(repo.git(), repo.state().unstaged)


def conflict(repo: Repo, verb: str = "merge") -> None:
    repo.plain("switch", "-qc", "other")
    repo.write("a", "theirs\n")
    repo.write("gone", "x\n")
    repo.commit("theirs")
    repo.plain("switch", "-q", "main")
    repo.write("a", "ours\n")
    repo.commit("ours")
    repo.plain(verb, "other", check=False)
