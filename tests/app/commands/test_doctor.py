"""`opcode-htmx doctor`, run as a person runs it: with and without problems, for people and JSON."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gevent import monkey

from opcode_htmx.app import cli
from opcode_htmx.app.commands import doctor
from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.sessions.health.check import Finding, Result, State
from tests.support.environment import ROOT, Sandbox, free_port

pytestmark = pytest.mark.usefixtures("integration")


def run(sandbox: Sandbox, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """As a program of its own, as a person starts it."""
    return subprocess.run(
        [sys.executable, "-m", "opcode_htmx", "doctor", *arguments],
        cwd=ROOT,
        env=variables(sandbox, environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_here(sandbox: Sandbox, *arguments: str, **environ: str) -> tuple[int, str, str]:
    """The status, output and errors in this process, which has imported all that it needs."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(os, "environ", variables(sandbox, environ))
        patch.setattr(monkey, "patch_subprocess", lambda: None)  # it would outlast the test
        status = cli.main(["doctor", *arguments])
    return status, out.getvalue(), err.getvalue()


def variables(sandbox: Sandbox, more: dict[str, str]) -> dict[str, str]:
    return {
        **sandbox.environment(),
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "OPCODE_STATE_DIR": str(sandbox.state),
        **more,
    }


def test_a_sound_machine_is_reported_with_status_0_and_nothing_is_made(
    sandbox: Sandbox, stand_in: Path
) -> None:
    done = run(sandbox, CLAUDE_PATH=str(stand_in), OPCODE_DEMO="1", OPCODE_MISSPELT="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "✓ Fine       Claude CLI: " in done.stdout
    assert "! Warning    Settings: OPCODE_MISSPELT: no setting" in done.stdout
    assert f"Python: {sys.version.split()[0]}" in done.stdout
    assert "✗" not in done.stdout
    assert "Not known" not in done.stdout
    assert not sandbox.state.exists()


def test_a_problem_has_status_1_and_its_mend_for_programs_as_well(sandbox: Sandbox) -> None:
    missing = str(sandbox.home / "no")
    status, output, errors = run_here(sandbox, "--json", CLAUDE_PATH=missing, OPCODE_DEMO="1")
    said = json.loads(output)
    assert (status, errors, said["problem"]) == (1, "", True)
    (cli,) = (each for each in said["checks"] if each["name"] == "cli")
    assert (cli["state"], cli["command"]) == (
        "problem",
        "npm install --global @anthropic-ai/claude-code",
    )
    assert len({each["name"] for each in said["checks"]}) == len(said["checks"]) > 10


def test_the_real_cli_says_whether_it_is_logged_in(sandbox: Sandbox, claude: Path) -> None:
    for key, state in (("", "warning"), ("dummy", "ok")):
        _, output, _ = run_here(sandbox, "--json", CLAUDE_PATH=str(claude), ANTHROPIC_API_KEY=key)
        found = {each["name"]: each for each in json.loads(output)["checks"]}
        assert (found["cli"]["state"], found["login"]["state"]) == ("ok", state)
        assert ("auth login" in found["login"]["command"]) == (state == "warning")


def test_a_setting_that_cannot_be_used_is_the_problem_and_its_value_is_not_said(
    sandbox: Sandbox,
) -> None:
    status, output, _ = run_here(sandbox, OPCODE_PASSWORD="short", OPCODE_DEMO="perhaps")
    assert status == 1
    assert "✗ Problem    Settings: OPCODE_" in output
    assert "short" not in output


def test_other_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--jason"]) == USAGE_ERROR
    assert capsys.readouterr().out == ""


def test_names_from_outside_print_no_control_sequence() -> None:
    finding = Finding(State.WARNING, "\x1b[31mred", "Mend.", "rm \x07", {"a": "b\nc"})
    printed = list(doctor.lines([Result("a", "A", finding)]))
    assert len(printed) == 4
    assert all(line.isprintable() for line in printed)
