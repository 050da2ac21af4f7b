"""A process monitor that remembers nothing, and processes that end with their test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import subprocess

from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.processes import claude_process
from opcode_htmx.runs.processes.claude_process import ClaudeProcess
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from tests.runs.processes.monitor.processes import RUN, SLEEP, Start, Stray


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> ProcessMonitor:
    """A monitor that remembers nothing of other tests."""
    monitor = ProcessMonitor()
    monkeypatch.setattr(claude_process, "MONITOR", monitor)
    return monitor


@pytest.fixture
def start(tmp_path: Path, monitor: ProcessMonitor) -> Iterator[Start]:
    """Starts processes as runs are started, and ends them."""
    started: list[ClaudeProcess] = []

    def start(*argv: str, run_id: str = RUN) -> ClaudeProcess:
        folder = RunFolder.create(tmp_path / f"runs-{len(started)}", run_id)
        started.append(
            claude_process.spawn(argv or SLEEP, tmp_path, {"PATH": os.defpath}, folder, run_id)
        )
        return started[-1]

    yield start
    for run_id in {each._run_id for each in started}:
        assert monitor.sweep(run_id, 5.0)
    for each in started:
        each.wait()


@pytest.fixture
def stray() -> Iterator[Stray]:
    """Starts processes that no run has started, with an environment of their own."""
    started: list[subprocess.Popen[bytes]] = []

    def stray(*argv: str, **environment: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            argv or SLEEP, env={"PATH": os.defpath, **environment}, start_new_session=True
        )
        started.append(child)
        return child

    yield stray
    for each in started:
        each.kill()
        each.wait()
