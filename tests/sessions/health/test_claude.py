"""Checks of Claude: its CLI, its login, its hooks, and what its runs have left behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.config import scopes
from opcode_htmx.engines.claude.install import chosen
from opcode_htmx.sessions.health import claude, hooks, processes
from opcode_htmx.sessions.health.check import State
from tests.sessions.health.support import settings_of
from tests.support.environment import ROOT, until

RUN = "0123456789abcdef0123456789abcdef"


def install(path: Path, version: str, logged_in: bool = True) -> str:
    answer = json.dumps({"loggedIn": logged_in})
    path.write_text(
        f'#!/bin/sh\n[ "$1" = auth ] && echo {shlex.quote(answer)} && exit 0\n'
        f"echo {shlex.quote(version)}\n"
    )
    path.chmod(0o755)
    return str(path)


def test_the_newest_version_that_was_tried_is_that_of_the_document() -> None:
    text = (ROOT / "docs/cli-versions.md").read_text(encoding="utf-8")
    tried = re.findall(r"^\| (\d+)\.(\d+)\.(\d+) \|", text, re.MULTILINE)
    assert max(tuple(map(int, each)) for each in tried) == claude.NEWEST_TRIED


@pytest.mark.usefixtures("integration")
def test_a_supported_a_newer_and_an_old_cli(tmp_path: Path) -> None:
    for version, state in (
        ("2.1.330 (Claude Code)", State.OK),
        ("9.0.0 (Claude Code)", State.HINT),
        ("2.1.117 (Claude Code)", State.PROBLEM),
    ):
        path = install(tmp_path / "claude", version)
        found = claude.ClaudeChecks(settings_of(tmp_path, CLAUDE_PATH=path)).cli()
        assert (found.state, version.split()[0] in found.summary) == (state, True)
    assert found.command == "claude update"


@pytest.mark.usefixtures("integration")
def test_a_cli_that_is_missing_is_a_problem_and_one_that_was_chosen_is_taken(
    tmp_path: Path,
) -> None:
    missing = claude.ClaudeChecks(settings_of(tmp_path, CLAUDE_PATH=str(tmp_path / "no"))).cli()
    assert (missing.state, missing.command.startswith("npm install")) == (State.PROBLEM, True)
    settings = settings_of(tmp_path)
    settings.state_dir.mkdir()
    path = Path(install(tmp_path / "mine", "2.1.200 (Claude Code)"))
    chosen.write(settings.state_dir, path)
    assert claude.ClaudeChecks(settings).cli().facts["File"] == str(path)


@pytest.mark.usefixtures("integration")
@pytest.mark.parametrize(
    ("logged_in", "demo", "state"),
    [
        (True, "", State.OK),
        (False, "", State.WARNING),
        (False, "0", State.PROBLEM),
        (False, "1", State.OK),
    ],
)
def test_a_missing_login_is_a_demo_unless_that_was_refused(
    tmp_path: Path, logged_in: bool, demo: str, state: State
) -> None:
    path = install(tmp_path / "claude", "2.1.330", logged_in)
    found = claude.ClaudeChecks(settings_of(tmp_path, CLAUDE_PATH=path, OPCODE_DEMO=demo)).login()
    assert found.state is state
    assert ("auth login" in found.command) == (state in (State.WARNING, State.PROBLEM))


def hooks_of(home: Path, text: str) -> tuple[State, str]:
    (home / "claude").mkdir(exist_ok=True)
    (home / "claude" / "settings.json").write_text(text)
    found = hooks.hooks(settings_of(home, PATH=os.environ["PATH"]))
    return found.state, " ".join([found.summary, *found.facts.values()])


def hook(command: object, event: str = "Stop") -> str:
    return json.dumps({"hooks": {event: [{"hooks": [{"type": "command", "command": command}]}]}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "settings.json is not valid JSON"),
        ("[]", "holds no object"),
        (hook("/nowhere/notify.sh now"), "the program /nowhere/notify.sh was not found"),
        (hook("no-such-program-anywhere -x"), "no-such-program-anywhere was not found"),
        (hook(7), "a text “command”"),
        (hook("true", "Stopp"), "there is no such event"),
    ],
)
def test_a_hook_that_claude_would_skip_is_named(tmp_path: Path, text: str, said: str) -> None:
    state, words = hooks_of(tmp_path, text)
    assert (state, said in words) == (State.WARNING, True), words


@pytest.mark.parametrize(
    "command", ["sh -c 'x'", "TOKEN=secret curl x", "if [ -f x ]; then y; fi", "./of-project.sh"]
)
def test_a_hook_that_only_a_shell_can_judge_is_left_alone(tmp_path: Path, command: str) -> None:
    assert hooks_of(tmp_path, hook(command))[0] is State.OK


def test_no_hooks_are_fine(tmp_path: Path) -> None:
    assert hooks.hooks(settings_of(tmp_path)).state is State.OK


def test_settings_of_an_administrator_that_cannot_be_looked_at_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impossible = tmp_path / ("x" * 300)  # root may search any folder, but not one of this name
    monkeypatch.setattr(scopes, "MANAGED_FOLDER", impossible)
    assert hooks_of(tmp_path, "{}")[0] is State.OK


@pytest.mark.usefixtures("integration")
def test_a_process_that_an_ended_run_has_left_is_a_warning_with_the_command_that_ends_it(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path)
    assert processes.orphans(settings).state is State.OK
    folder = settings.state_dir / "runs" / RUN
    tag = {"OPCODE_RUN_ID": RUN, "OPCODE_RUN_FOLDER": str(folder)}
    left = subprocess.Popen(["sleep", "60"], env={**os.environ, **tag}, start_new_session=True)  # noqa: S607
    try:
        until(lambda: processes.orphans(settings).state is State.WARNING, "it is found")
        found = processes.orphans(settings)
        assert found.command == f"kill {left.pid}"
        assert found.summary.startswith("1 process of 1 ended run still takes ")
    finally:
        left.kill()
        left.wait()
