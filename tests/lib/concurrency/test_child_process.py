"""A child process begins without a fork, and its end and its pipes are seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import gevent
import pytest

from opcode_htmx.lib.concurrency.child_process import ChildProcess

SHELL = "/bin/sh"


def test_it_reads_stdin_and_writes_stdout_and_stderr() -> None:
    child = ChildProcess(
        SHELL, ["-c", "cat; echo error >&2; exit 3"], {}, with_stdin=True
    )  # fmt: skip
    assert child.stdin
    child.stdin.write(b"hedge")
    child.stdin.close()
    assert child.stdout.read() == b"hedge"
    assert child.stderr.read() == b"error\n"
    assert child.wait() == child.returncode == 3


def test_without_a_pipe_its_stdin_is_empty() -> None:
    child = ChildProcess("/bin/cat", [], {})
    assert child.stdout.read() == b""
    assert child.wait() == 0


def test_an_open_file_can_be_its_stdin(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"hedge")
    with (tmp_path / "file").open("rb") as file:
        child = ChildProcess("/bin/cat", [], {}, stdin_descriptor=file.fileno())
        assert child.stdout.read() == b"hedge"
    assert child.wait() == 0


def test_it_leads_a_session_and_gets_no_other_files_and_only_its_environment(
    tmp_path: Path,
) -> None:
    with (tmp_path / "open").open("w") as file:
        script = 'echo $$ "$(ps -o sid= -p $$)" "$NAME" "$HOME"; ls /proc/$$/fd'
        child = ChildProcess(SHELL, ["-c", script], {"NAME": "pear", "PATH": os.defpath})
        first, *descriptors = child.stdout.read().decode().splitlines()
        assert first.split() == [str(child.pid), str(child.pid), "pear"]
        assert str(file.fileno()) not in descriptors
    child.wait()


def test_a_signal_ends_it_and_is_its_status() -> None:
    child = ChildProcess("/bin/sleep", ["60"], {})
    assert child.returncode is None
    with pytest.raises(gevent.Timeout):
        child.wait(timeout=0.01)
    os.killpg(child.pid, signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM


def test_the_signals_that_python_ignores_end_it() -> None:
    child = ChildProcess(SHELL, ["-c", "kill -PIPE $$; echo survived"], {})
    assert child.wait() == -signal.SIGPIPE


def test_a_program_that_is_missing_or_no_program_is_an_error_and_leaves_no_pipe(
    tmp_path: Path,
) -> None:
    (tmp_path / "text").write_text("no program")
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for program, arguments in [("missing", []), ("text", []), ("text", ["null\0"])]:
        with pytest.raises((OSError, ValueError)):
            ChildProcess(str(tmp_path / program), arguments, {}, with_stdin=True)
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_the_end_of_the_very_first_child_is_noticed() -> None:
    script = (
        "import gevent.monkey; gevent.monkey.patch_all()\n"
        "from opcode_htmx.lib.concurrency.child_process import ChildProcess\n"
        "import time\n"
        "child = ChildProcess('/bin/true', [], {})\n"
        "time.sleep(0)\n"
        "print(child.wait(timeout=20))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"0\n"
