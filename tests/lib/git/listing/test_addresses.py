"""The addresses of a remote are those that git uses, by all settings that it reads."""

from __future__ import annotations

import shutil

import pytest

from opcode_htmx.lib.git.commands import programs, remotes, state
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing import addresses
from opcode_htmx.lib.git.listing.program import OF_FOLDER
from opcode_htmx.lib.git.policy import READING, RUNNING, Policy
from tests.lib.git.commands.repo import Repo


def with_settings_of_the_computer(repo: Repo, text: str, policy: Policy) -> Git:
    """A git that reads this text instead of /etc/gitconfig, or none by GIT_CONFIG_NOSYSTEM."""
    tools = repo.top.parent / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "gitconfig").write_text(text)
    path = repo.environment["PATH"]
    real = shutil.which("git", path=path)
    (tools / "git").write_text(
        f'#!/bin/sh\nGIT_CONFIG_SYSTEM={tools}/gitconfig exec {real} "$@"\n', encoding="utf-8"
    )
    (tools / "git").chmod(0o755)
    return state.at_top(repo.top, {**repo.environment, "PATH": f"{tools}:{path}"}, policy)


@pytest.mark.parametrize("key", ["insteadOf", "pushInsteadOf"])
def test_settings_of_the_computer_say_where_a_push_goes(repo: Repo, key: str) -> None:
    ran = repo.top.parent / "ran"
    elsewhere = repo.top.parent / "elsewhere/a"
    repo.plain("init", "-q", "--bare", "-b", "main", str(elsewhere))
    hook = elsewhere / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    repo.remote("https://x.example/a")
    text = f'[url "{elsewhere.parent}/"]\n\t{key} = https://x.example/\n'
    git = with_settings_of_the_computer(repo, text, READING)
    assert addresses.of(git, "origin", pushes=True) == [str(elsewhere)]
    fetches_there = key == "insteadOf"
    fetched = [str(elsewhere) if fetches_there else "https://x.example/a"]
    assert addresses.of(git, "origin", pushes=False) == fetched
    listed = programs.of(git, "push", remote="origin").found
    assert [each.command for each in listed if each.kind == OF_FOLDER] == [str(hook)]
    plan = remotes.push_plan(git, "origin")
    assert plan.remote.push_urls == (str(elsewhere),)
    running = with_settings_of_the_computer(repo, text, RUNNING)
    remotes.push(running, plan, overwrite=False, progress=lambda _: None)
    assert ran.exists(), "git has pushed there"


def test_a_further_address_of_the_computer_is_pushed_to_and_listed(repo: Repo) -> None:
    repo.remote("https://x.example/a")
    text = '[remote "origin"]\n\tpushurl = ../elsewhere\n'
    git = with_settings_of_the_computer(repo, text, READING)
    assert addresses.of(git, "origin", pushes=True) == ["../elsewhere"]
