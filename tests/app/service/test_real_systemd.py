"""The service under a real systemd of the user: installed, killed, hung, restarted, removed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from opcode_htmx.app.service.systemd_units import SERVICE
from tests.support.environment import (
    PASSWORD,
    PATIENCE,
    USER,
    Sandbox,
    free_port,
    processes_of,
    until,
)
from tests.support.outside.user_systemd import UserSystemd

pytestmark = [pytest.mark.usefixtures("integration"), pytest.mark.timeout(300)]
RUNS = 3


class Service:
    """The installed service, as a person at the machine and one with a browser see it."""

    def __init__(self, sandbox: Sandbox, systemd: UserSystemd, settings: dict[str, str]) -> None:
        self.sandbox = sandbox
        self.systemd = systemd
        self.settings = settings
        self.url = f"http://127.0.0.1:{settings['PORT']}"

    def command(self, *arguments: str, **environ: str) -> str:
        """The output of `opcode-htmx service …`, which has to succeed."""
        program = [sys.executable, "-m", "opcode_htmx", "service", *arguments]
        done = self.systemd.run(*program, **environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def main_pid(self) -> int:
        return int(self.systemd.show(SERVICE, "MainPID"))

    def is_ready(self) -> bool:
        return self.systemd.show(SERVICE, "ActiveState") == "active"

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, auth=(USER, PASSWORD), timeout=PATIENCE)

    def answers_at_the_port_of_previews(self) -> bool:
        port = self.settings["OPCODE_PREVIEW_PORTS"]
        answer = requests.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE, allow_redirects=False)
        return answer.status_code < 500

    def answers_in_spite_of_cuts(self) -> bool:
        """Whether it answers. A worker that ends may cut a connection; none may be refused."""
        try:
            return self.get("/api/sessions/running").status_code == 200
        except requests.ConnectionError as error:
            assert "refused" not in str(error), "the socket is systemd's, and stays open"
            return False

    def begin(self, prompt: str) -> str:
        """Begin a session; its id."""
        answer = requests.post(
            f"{self.url}/api/sessions/execute",
            json={"project_path": str(self.sandbox.project), "prompt": prompt, "detach": True},
            auth=(USER, PASSWORD),
            timeout=PATIENCE,
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["data"]["session_id"])

    def said(self, session_id: str) -> str:
        return self.get(f"/api/sessions/{session_id}/output?limit=1000").text


@pytest.fixture
def service(sandbox: Sandbox, stand_in: Path) -> Iterator[Service]:
    environ = sandbox.environment()
    settings = {
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "CLAUDE_PATH": str(stand_in),
        "OPCODE_USER": USER,
        "OPCODE_PASSWORD": PASSWORD,
        "OPCODE_STATE_DIR": str(sandbox.state),
        "OPCODE_DEMO": "0",
        "OPCODE_MIN_FREE": "0",
        "OPCODE_SEARCH_INDEX": "0",
        "OPCODE_ASK_AHEAD": "0",
        "OPCODE_WARM_START": "0",
        "OPCODE_PREVIEW_PORTS": str(free_port()),
    }
    with contextlib.closing(UserSystemd(sandbox.home, environ)) as systemd:
        yield Service(sandbox, systemd.start(), settings)


def test_the_service_lives_through_kills_hangs_and_restarts_and_its_runs_through_all(
    service: Service,
) -> None:
    said = service.command("install", **service.settings)
    assert service.url in said
    assert service.is_ready(), "install returns when the server answers"
    gate = service.sandbox.home / "gate"
    prompt = f'[["lines", 20], ["wait", "{gate}"], ["text", "and on it goes"]]'
    sessions = [service.begin(prompt) for _ in range(RUNS)]
    for each in sessions:
        until(lambda each=each: "line 19" in service.said(each), "it has begun")  # type: ignore[misc]
    runs = runs_alive(service)
    assert len(runs) == RUNS

    assert service.answers_at_the_port_of_previews()
    first = service.main_pid()
    os.kill(first, signal.SIGKILL)
    until(service.answers_in_spite_of_cuts, "it answers, and refuses no connection")
    until(lambda: service.main_pid() not in (0, first), "it is started again by itself")
    until(service.is_ready, "it is ready")

    second = service.main_pid()
    service.command("restart")
    assert service.main_pid() not in (0, second)
    assert service.answers_at_the_port_of_previews()
    assert runs_alive(service) == runs

    gate.touch()
    for each in sessions:
        until(lambda each=each: "and on it goes" in service.said(each), "it has gone on")  # type: ignore[misc]
        assert [service.said(each).count(f"line {number}\\") for number in range(20)] == [1] * 20

    stays = service.begin('[["wait", "/no/such/file"]]')
    until(lambda: runs_alive(service) - runs, "it has begun")
    service.command("stop")
    with pytest.raises(requests.ConnectionError):
        service.get("/healthz")
    assert runs_alive(service) > runs, "a service that was stopped leaves its runs alone"
    watch_closely(service)
    service.command("start")
    answer = requests.post(
        f"{service.url}/api/sessions/{stays}/cancel", auth=(USER, PASSWORD), timeout=PATIENCE
    )
    assert answer.status_code < 300, answer.text
    until(lambda: not runs_alive(service) - runs, "the new server has stopped a run of the old one")
    a_server_that_hangs_is_started_again_by_the_watchdog(service)
    service.command("uninstall")
    assert service.main_pid() == 0
    assert not list(service.sandbox.home.rglob("*.service"))


def watch_closely(service: Service) -> None:
    """From the next start: gunicorn would replace a hung worker after a minute, systemd later."""
    drop_in = service.sandbox.home / ".config/systemd/user" / f"{SERVICE}.d"
    drop_in.mkdir()
    (drop_in / "fast.conf").write_text("[Service]\nWatchdogSec=4\n")
    assert service.systemd.run("systemctl", "--user", "daemon-reload").returncode == 0


def a_server_that_hangs_is_started_again_by_the_watchdog(service: Service) -> None:
    first = service.main_pid()
    workers = psutil.Process(first).children()
    for worker in workers:
        worker.suspend()
    until(lambda: service.main_pid() not in (0, first), "systemd has started another one")
    assert service.systemd.show(SERVICE, "NRestarts") == "1"
    for worker in workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
    until(lambda: service.get("/healthz").status_code == 200, "it answers again")


def runs_alive(service: Service) -> set[int]:
    return {process.pid for process in processes_of(service.sandbox.state)}


def test_a_server_that_cannot_start_is_reported_and_tried_again(service: Service) -> None:
    state = service.sandbox.state
    state.mkdir(mode=0o700)
    (state / "format.json").write_text('{"version": 1, "format": 99, "program": "9.0.0"}')
    program = [sys.executable, "-m", "opcode_htmx", "service", "install"]
    done = service.systemd.run(*program, **service.settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The service did not start: ")
    (state / "format.json").unlink()
    until(service.is_ready, "the next try succeeds, without a command")
