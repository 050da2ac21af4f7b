"""Subcommands of Claude are bounded in time and output, and leave nothing behind."""

from __future__ import annotations

import sys
from pathlib import Path

import gevent
import psutil
import pytest

from opcode_htmx.engines.base import CommandLine
from opcode_htmx.runs.queries import slots, subcommand
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


def test_at_most_a_few_run_at_a_time(tmp_path: Path) -> None:
    counting = CommandLine(
        ("/bin/sh", "-c", "touch r$$; sleep 0.1; set -- r*; echo $#; rm r$$"),
        {"PATH": "/usr/bin:/bin"},
    )
    pages = [gevent.spawn(subcommand.run, counting, tmp_path) for _ in range(4 * slots.MOST)]
    gevent.joinall(pages, raise_error=True)
    counts = [int(each.value.text) for each in pages if each.value]
    assert max(counts) <= slots.MOST
    assert subcommand.run(counting, tmp_path).text == "1\n", "each slot was given back"


def test_one_that_finds_no_slot_in_time_fails_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "PATIENCE", 0.01)
    held = [slots.Slot() for _ in range(slots.MOST)]
    try:
        with pytest.raises(SubcommandFailed, match="too many others"):
            subcommand.run(command("pass"), tmp_path)
    finally:
        for each in held:
            each.give_back()
    assert subcommand.run(command("print(1)"), tmp_path).text == "1\n"


def test_what_it_is_given_is_on_stdin_and_need_not_be_read(tmp_path: Path) -> None:
    given = "x" * 300_000
    script = "import sys; print(len(sys.stdin.read()))"
    assert subcommand.run(command(script), tmp_path, stdin=given).text == "300000\n"
    assert subcommand.run(command("print(1)"), tmp_path, stdin=given).text == "1\n"
