"""Runs supervised in the test's own process, and waits that let greenlets run."""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import gevent
import psutil
import pytest

from opcode_htmx.engines.claude.engine import ClaudeCodec, ClaudeEngine
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.identity import owner
from opcode_htmx.runs.control.launcher import RunSettings
from opcode_htmx.runs.control.owner import Owner
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome, RunRecord, StopRequest
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.policies.working_folders import WorkingFolders
from opcode_htmx.runs.supervisor import Supervisor
from tests.support import environment
from tests.support.environment import Sandbox, kill_processes_of, processes_of
from tests.support.suite.start_guard import guard

T = TypeVar("T")
CODEC = ClaudeCodec()

BY = owner("opcode", "1f3a9c02" + "0" * 24)
"""The identity for which tests act on runs."""


def until(condition: Callable[[], T], what: str, timeout: float = environment.PATIENCE) -> T:
    """Wait until `condition` gives something true, and give that; greenlets run meanwhile."""
    return environment.until(condition, what, timeout, pause=gevent.sleep, shortest=0.005)


def new_id() -> str:
    return str(uuid.uuid4())


FOREVER = ["wait", "/no/such/file"]
"""A step of the stand-in that is never over."""


def steps(*steps: Sequence[object]) -> str:
    """A prompt for the stand-in."""
    return json.dumps(steps)


def idle(run: Run) -> Run:
    """The run, once it waits for its next prompt."""

    def is_idle() -> bool:
        assert run.live, [run.record.end, *run.folder.error_lines(20)]
        return run.phase is Phase.IDLE

    until(is_idle, "the turn ends")
    return run


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def sent(run: Run) -> list[dict[str, Any]]:
    """The lines sent to Claude, without the `initialize` request of every run."""
    first, *rest = lines(run.folder.input_log)
    assert first["request"] == {"subtype": "initialize"}
    return rest


def texts(run: Run) -> list[str]:
    """Claude's texts in its output file."""
    return [
        part["text"]
        for line in lines(run.folder.output)
        if line["type"] == "assistant"
        for part in line["message"]["content"]
        if part["type"] == "text"
    ]


class Supervision:
    """Supervisors, one after the other, over the runs of one sandbox."""

    def __init__(self, sandbox: Sandbox, claude: Path, api_url: str = "http://127.0.0.1:9") -> None:
        guard.refuse("a supervisor of runs")
        self.sandbox = sandbox
        self.runs_dir = sandbox.state / "runs"
        self._claude: dict[str, Any] = {
            "binary": claude,
            "config_dir": sandbox.config_dir,
            "environment": sandbox.environment(api_url),
            "home": sandbox.home,
            "state_file": sandbox.config_dir / ".claude.json",
        }
        self._settings: dict[str, Any] = {
            "runs_dir": self.runs_dir,
            "permission_mode": None,
            "stop_deadline": 2.0,
            "folders": WorkingFolders([sandbox.home]),
        }
        self._supervisors: list[Supervisor] = []
        self._others: list[Supervisor] = []

    @property
    def supervisor(self) -> Supervisor:
        return self._supervisors[-1] if self._supervisors else self.restart()

    def restart(self, **settings: object) -> Supervisor:
        """A supervisor in place of the last one, which ends as a server that is killed does.

        `settings` are fields of RunSettings, or arguments of ClaudeEngine.of.
        """
        if self._supervisors:
            self._supervisors[-1].close()
        for name, value in settings.items():
            (self._claude if name in self._claude else self._settings)[name] = value
        supervisor = Supervisor(self._run_settings())
        self._supervisors.append(supervisor)
        supervisor.start()
        return supervisor

    def beside(self, **settings: object) -> Supervisor:
        """Another worker's supervisor, over the same runs at the same time."""
        other = Supervisor(self._run_settings(**settings))
        self._others.append(other)
        other.start()
        return other

    def _run_settings(self, **settings: object) -> RunSettings:
        engine = ClaudeEngine.of(**self._claude)
        return RunSettings(**{**self._settings, "engine": engine, **settings})

    def prompt(self, text: str, session_id: str = "", prompt_id: str = "") -> Run:
        return self.supervisor.starts.prompt(
            session_id or new_id(), self.sandbox.project, prompt_id or new_id(), text, by=BY
        )

    def marked_processes(self) -> list[psutil.Process]:
        return processes_of(self.sandbox.state)

    def close(self) -> None:
        """Leave no process, no descriptor and no greenlet."""
        for supervisor in (*self._supervisors[-1:], *self._others):
            supervisor.close()
        kill_processes_of(self.sandbox.state)
        until(lambda: not self.marked_processes(), "the processes are gone")
        gevent.sleep(0.01)  # for the children's statuses to be collected


def record_on_disk(run: Run) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads(run.folder.record_path.read_bytes())
    return loaded


def owned(
    folder: RunFolder, record: RunRecord, history_end: Callable[[float], int] = lambda _: 0
) -> Run:
    """A run that is this worker's, as the supervisor makes it, without its process."""
    run = Run(folder, record.started(1, record.created_at), Broadcast(), CODEC)
    lock = folder.own()
    assert lock is not None
    Owner(run, lock, history_end, stop_deadline=5.0)
    return run


def finish(run: Run, status: int | None) -> None:
    """The process has ended with `status`."""
    assert isinstance(run.owner, Owner)
    run.owner.finish(status)


def to_stop(run: Run, outcome: Outcome, cause: str) -> None:
    """Somebody has asked for the end of the run."""
    run.stopping = StopRequest(outcome, cause, time.time())


@contextlib.contextmanager
def disk_that_waits(folder: Path) -> Iterator[Event]:
    """Within the block, syncs in `folder` wait until the event is set."""
    fsync, go_on = os.fsync, Event()

    def slow(descriptor: int) -> None:
        if folder in Path(f"/proc/self/fd/{descriptor}").readlink().parents:
            assert go_on.wait(environment.PATIENCE)
        fsync(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", slow)
        yield go_on
