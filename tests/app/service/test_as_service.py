"""What a service manager sees of the server that it starts: this test stands in for systemd."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from opcode_htmx.app import cli
from opcode_htmx.app.service import activation
from opcode_htmx.web.server import service_manager
from tests.support.environment import PATIENCE, ROOT, Sandbox, kill_processes_of, until

WATCHDOG_SECONDS = 2.0
# LISTEN_PID and WATCHDOG_PID are the server's own, and descriptor 3 is its socket
START = 'export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$0" -m opcode_htmx service run 3<&"$PASSED"'


@dataclass
class Manager:
    """The sockets of a service manager, and the server that it has started."""

    reports: socket.socket
    listener: socket.socket
    environ: dict[str, str]
    process: subprocess.Popen[str] | None = None

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def start(self, **environ: str) -> subprocess.Popen[str]:
        passed = self.listener.fileno()
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", START, sys.executable],
            cwd=ROOT,
            env={**self.environ, "PASSED": str(passed), **environ},
            pass_fds=[passed],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def report(self) -> str:
        return self.reports.recv(1000).decode()

    def end(self) -> tuple[str, str]:
        """End the server; its output and errors."""
        assert self.process is not None
        self.process.terminate()
        return self.process.communicate(timeout=PATIENCE)


@pytest.fixture
def manager(integration: None, sandbox: Sandbox, stand_in: Path) -> Iterator[Manager]:
    with contextlib.ExitStack() as stack:
        reports = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        reports.bind(str(sandbox.home / "notify"))
        reports.settimeout(PATIENCE)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        environ = {
            **sandbox.environment(),
            "HOST": "127.0.0.1",
            "PORT": str(listener.getsockname()[1]),
            "CLAUDE_PATH": str(stand_in),
            "OPCODE_STATE_DIR": str(sandbox.state),
            "OPCODE_DEMO": "0",
            "OPCODE_MIN_FREE": "0",
            "OPCODE_SEARCH_INDEX": "0",
            "LISTEN_FDS": "1",
            "NOTIFY_SOCKET": str(sandbox.home / "notify"),
            "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1e6)),
        }
        manager = Manager(reports, listener, environ)
        yield manager
        if manager.process is not None and manager.process.poll() is None:
            manager.process.kill()
            manager.process.communicate(timeout=PATIENCE)
        kill_processes_of(sandbox.state)


def test_the_passed_socket_is_served_and_the_worker_alone_reports_that_it_lives(
    manager: Manager, sandbox: Sandbox
) -> None:
    manager.start()
    assert manager.report() == "READY=1"  # and none before it, from a server without a worker
    # nobody accepted before: this connection has waited in the socket, or is the first
    answer = requests.get(f"http://127.0.0.1:{manager.port}/healthz", timeout=PATIENCE)
    assert answer.status_code == 200
    beats = []
    for _ in range(3):
        assert manager.report() == "WATCHDOG=1"
        beats.append(time.monotonic())
    assert beats[-1] - beats[0] < WATCHDOG_SECONDS * 2, "several within the time that is allowed"
    password = (sandbox.state / "password").read_text().strip()
    what_the_server_starts_does_not_report_in_its_name(manager, sandbox, password)
    output, errors = manager.end()
    assert password not in output + errors, "a log is no place for it"
    assert f"in {sandbox.state / 'password'}" in output
    assert "ERROR" not in errors, errors


def what_the_server_starts_does_not_report_in_its_name(
    manager: Manager, sandbox: Sandbox, password: str
) -> None:
    body: dict[str, Any] = {
        "project_path": str(sandbox.project),
        "prompt": '[["report"]]',
        "detach": True,
    }
    url = f"http://127.0.0.1:{manager.port}/api/sessions/execute"
    answer = requests.post(url, json=body, auth=("opcode", password), timeout=PATIENCE)
    assert answer.status_code == 202, answer.text
    text = until(lambda: environment_of_claude(sandbox), "Claude has said what it was started with")
    for name in (*service_manager.NAMES, "LISTEN_FDS", "LISTEN_PID"):
        assert name not in text


def environment_of_claude(sandbox: Sandbox) -> str:
    texts = [path.read_text() for path in sandbox.state.glob("runs/*/out.ndjson")]
    return next((text for text in texts if "OPCODE_RUN_ID" in text), "")


def test_a_socket_at_another_port_than_the_settings_say_is_refused(
    manager: Manager,
) -> None:
    process = manager.start(PORT="9")
    assert process.stderr is not None
    assert process.stderr.readline() == (
        f"The socket of the service is at port {manager.port}, and PORT says 9; run "
        "`opcode-htmx service install` again.\n"
    )


def test_a_service_that_is_refused_waits_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that waits at the socket would have it started again at once."""
    slept: list[float] = []
    monkeypatch.setattr(cli, "time", SimpleNamespace(sleep=slept.append))
    monkeypatch.setattr(os, "environ", {"PORT": "none"})
    assert cli.start(as_service=True) == 1
    assert slept == [cli.RETRY_SECONDS]
    assert cli.RETRY_SECONDS > 1


def test_a_socket_for_another_process_is_left_alone() -> None:
    environ = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1"}
    assert not activation.is_passed(environ, 8080)
    assert not activation.is_passed({}, 8080)


def test_the_watchdog_of_another_process_is_not_answered() -> None:
    environ = {
        "NOTIFY_SOCKET": "@opcode-tests",
        "WATCHDOG_USEC": "2000000",
        "WATCHDOG_PID": str(os.getpid() + 1),
        "PATH": "/bin",
    }
    service_manager.take(environ)
    try:
        assert environ == {"PATH": "/bin"}
        (found,) = service_manager._taken
        assert (found.address, found.watchdog) == ("@opcode-tests", 0.0)
    finally:
        service_manager._taken.clear()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"])
def test_without_a_socket_that_is_known_nothing_is_reported(address: str) -> None:
    service_manager.take({"NOTIFY_SOCKET": address})
    assert service_manager._taken == []


def test_a_report_is_one_datagram_also_to_an_abstract_socket() -> None:
    name = f"opcode-tests-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(PATIENCE)
        service_manager.ServiceManager(f"@{name}", 0.0).report()
        assert receiver.recv(100) == b"READY=1"


def test_a_service_manager_that_is_gone_does_not_stop_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service_manager.ServiceManager(str(tmp_path / "gone"), 0.0).report()
    assert "could not report READY=1 to the service manager" in caplog.text
