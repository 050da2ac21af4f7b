"""A process is identified by pid and start time: an ended or another one never matches."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from opcode_htmx.lib.process_identity import (
    START_TIME_TOLERANCE,
    ProcessIdentity,
    is_running,
    start_ticks,
    stat_fields,
)
from tests.support.environment import until


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "600"]) as process:
        yield process
        process.kill()


def test_a_recorded_process_is_found_while_it_lives(child: subprocess.Popen[bytes]) -> None:
    identity = ProcessIdentity.of(psutil.Process(child.pid))
    found = identity.find()
    assert found is not None
    assert found.pid == child.pid
    child.kill()
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, "it is a zombie")
    assert identity.find() is None
    assert not is_running(found)
    assert stat_fields(child.pid) is None
    child.wait()
    assert identity.find() is None


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_reused_pid_is_another_process_but_a_clock_may_be_set_a_little(sign: int) -> None:
    own = ProcessIdentity.of(psutil.Process())
    near = replace(own, started_at=own.started_at + sign * START_TIME_TOLERANCE / 2)
    far = replace(own, started_at=own.started_at + sign * (START_TIME_TOLERANCE + 0.5))
    assert near.find() is not None
    assert far.find() is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")
def test_a_name_with_spaces_and_parentheses_moves_no_field(tmp_path: Path) -> None:
    odd = tmp_path / ") R 1 (x"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "600"]) as process:
        until(lambda: b"R 1" in Path(f"/proc/{process.pid}/comm").read_bytes(), "it is exec'd")
        fields = stat_fields(process.pid)
        process.kill()
    assert fields is not None
    assert int(fields[1]) == os.getpid()  # the parent
    assert int(start_ticks(fields)) > 0
