"""Subcommands of Claude are bounded in time and output, and leave nothing behind."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from opcode_htmx.engines.base import CommandLine
from opcode_htmx.runs.queries import subcommand
from opcode_htmx.runs.queries.subcommand import SubcommandFailed
from tests.support.environment import has_ended


def command(script: str) -> CommandLine:
    return CommandLine((sys.executable, "-c", script), {"PATH": "/usr/bin:/bin"})


def test_what_is_printed_comes_back_up_to_its_limit(tmp_path: Path) -> None:
    script = "import sys; print('x' * 1000000); print('no', file=sys.stderr); sys.exit(3)"
    output = subcommand.run(command(script), tmp_path, most_bytes=1000)
    assert (output.status, output.text, output.errors) == (3, "x" * 1000, "no\n")


def test_one_that_hangs_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    script = (
        "import subprocess, time, pathlib; child = subprocess.Popen(['sleep', '1000'],"
        " start_new_session=True); pathlib.Path('pid').write_text(str(child.pid)); time.sleep(999)"
    )
    with pytest.raises(SubcommandFailed, match="did not finish within 2 seconds"):
        subcommand.run(command(script), tmp_path, seconds=2)
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or has_ended(psutil.Process(pid))


def test_a_program_that_is_not_there_is_named_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SubcommandFailed, match="could not be started: No such file"):
        subcommand.run(CommandLine(("/nonexistent/claude",), {}), tmp_path)
