"""The programs that are listed for a remote."""

from __future__ import annotations

from opcode_htmx.lib.git.commands import remotes
from opcode_htmx.lib.git.policy import RUNNING
from tests.lib.git.commands.repo import Repo


def push(repo: Repo) -> None:
    plan = remotes.push_plan(repo.git(RUNNING), "origin")
    without = remotes.WITHOUT_HOOKS
    remotes.push(
        repo.git(RUNNING), plan, overwrite=False, progress=lambda _: None, settings=without
    )
