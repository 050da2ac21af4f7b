"""Several workers of real gunicorn: they show and control the same runs, also if one dies.

Which worker answers is chance; where a test has to choose, two servers over the same state folder
stand in for two workers.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from playwright.sync_api import expect

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.lib.logs.log_files import CURRENT
from opcode_htmx.runs.events.types import RunEnded
from tests.runs.events.listening import in_journal, names, only
from tests.runs.events.of_servers import emitted
from tests.support.cli.supervision import FOREVER, steps
from tests.support.clients.json_client import connected
from tests.support.environment import (
    PASSWORD,
    ROOT,
    USER,
    Sandbox,
    processes_of,
    until,
    write_stand_in,
)
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.server import Server

Start = Callable[..., Server]


@pytest.fixture(scope="module")
def pair(integration: None, shared_sandbox: Sandbox) -> Iterator[tuple[Server, Server]]:
    claude = write_stand_in(shared_sandbox.home / "claude")
    left, right = (Server(shared_sandbox, claude, "http://127.0.0.1:9") for _ in range(2))
    with closing(left), closing(right):
        yield left.start(), right.start()


@pytest.fixture
def servers(pair: tuple[Server, Server]) -> Iterator[tuple[Server, Server]]:
    yield pair
    pair[0].ensure_started()


def execute(server: Server, **body: Any) -> requests.Response:
    """Begin a session by the API."""
    body = {"project_path": str(server.sandbox.project), "detach": True, **body}
    url, user = f"{server.url}/api/sessions/execute", (USER, PASSWORD)
    return requests.post(url, json=body, auth=user, timeout=20)


def begin(server: Server, *doing: Sequence[object]) -> str:
    """Begin a session by the API; its id."""
    answer = execute(server, prompt=json.dumps(doing))
    assert answer.status_code == 202, answer.text
    session_id: str = answer.json()["data"]["session_id"]
    return session_id


def last_lines(server: Server) -> list[str]:
    """What the server has printed at its end about runs."""
    printed = server.log.read_text(encoding="utf-8").splitlines()
    return [line for line in printed if " of Claude go" in line or line.startswith("To end ")]


def status(server: Server, session_id: str) -> str:
    answer = server.get(f"/api/sessions/{session_id}/output")
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["data"]["status"]
    return found


def page_of(server: Server, session_id: str) -> str:
    project = history.project_id(server.sandbox.project)
    return f"/projects/{project}/sessions/{session_id}"


def record(server: Server) -> dict[str, object]:
    """run.json of the newest run."""
    return max(records(server), key=lambda each: float(str(each["created_at"])))


def records(server: Server) -> list[dict[str, object]]:
    """run.json of all runs."""
    folders = (server.sandbox.state / "runs").iterdir()
    return [json.loads((folder / "run.json").read_bytes()) for folder in folders]


# Two servers over the same state folder --------------------------------------------------------


def test_run_of_one_server_is_shown_and_controlled_at_the_other(
    servers: tuple[Server, Server],
) -> None:
    left, right = servers
    session_id = begin(left, ["text", "from the left"], FOREVER)
    assert right.get(page_of(right, session_id)).status_code == 200
    with connected(right) as client:
        client.send(command_type="attach", session_id=session_id)
        client.until(lambda message: "from the left" in message.get("content", ""))
        answer = right.post(f"/runs/{record(left)['id']}/stop", {})
        assert answer.status_code in (200, 204, 303), answer.text
        client.until("ended")
    for server in servers:
        assert status(server, session_id) == "ended"
    assert record(left)["end"]["outcome"] == "cancelled"  # type: ignore[index]
    assert not processes_of(left.sandbox.state, str(record(left)["id"]))


def test_a_server_that_is_killed_leaves_its_runs_to_the_other_one(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    left, right = servers
    gate = tmp_path / "gate"
    session_id = begin(left, ["text", "one"], ["wait", str(gate)], ["text", "two"])
    with connected(right) as client:
        client.send(command_type="attach", session_id=session_id)
        client.until(lambda message: '"one"' in message.get("content", ""))
        left.kill()
        gate.touch()
        client.until(lambda message: '"two"' in message.get("content", ""))
        client.until("completion")
        assert client.said() == ["one", "two"]  # each once, and the socket never closed
        run_id = record(right)["id"]
        until(lambda: right.post(f"/runs/{run_id}/stop", {}).ok, "it is stopped")
        client.until("ended")
    assert record(right)["end"]["outcome"] in ("cancelled", "completed")  # type: ignore[index]
    assert not processes_of(right.sandbox.state, str(run_id))


def test_logout_at_one_worker_closes_sockets_of_the_other(
    servers: tuple[Server, Server],
) -> None:
    left, right = servers
    with requests.Session() as person:
        form = {"user": USER, "password": PASSWORD, "next": "/"}
        assert person.post(f"{left.url}/login", data=form, timeout=20).ok
        ((name, value),) = (
            person.cookies.items()
        )  # which is named after the port, and a worker has the same one
        name = name.replace(f"{left.port}", f"{right.port}")
        options: dict[str, Any] = {"origin": right.url, "suppress_origin": False}
        options["header"] = [f"Cookie: {name}={value}"]
        with connected(right, **options) as client:
            token = re.findall(r'name="csrf[^"]*" value="([^"]+)"', person.get(left.url).text)[0]
            logout = person.post(f"{left.url}/logout", data={"csrf_token": token}, timeout=20)
            assert logout.ok, logout.text
            assert client.close_code() == 1008


# Workers of one server -------------------------------------------------------------------------


@pytest.mark.browser
def test_page_reconnects_when_its_worker_dies(
    start_server: Start,
    sandbox: Sandbox,
    stand_in: Path,
    open_phone: Callable[..., Phone],
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_WORKERS="2")
    until(lambda: len(server.worker_processes()) == 2, "both are there")
    gate = sandbox.home / "gate"
    phone = open_phone(server)
    phone.forgiven += CUT_OFF
    phone.begin(sandbox.project, steps(["text", "before"], ["wait", str(gate)], ["text", "after"]))
    expect(phone.transcript).to_contain_text("before")
    old = server.worker_processes()
    for worker in old:
        worker.send_signal(signal.SIGKILL)
        psutil.wait_procs([worker], timeout=10)
        until(lambda: len(server.worker_processes()) == 2, "another worker takes its place")
    gate.touch()
    expect(phone.transcript).to_contain_text("after")
    expect(phone.status).to_contain_text("Ready")
    live = phone.texts()
    phone.page.reload()
    expect(phone.transcript).to_contain_text("after")
    assert phone.texts() == live


def test_stopping_workers_close_sockets_with_1012_and_runs_continue(
    start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_WORKERS="2")
    session_id = begin(server, ["text", "so far"], FOREVER)
    with connected(server) as one, connected(server) as two:
        for client in (one, two):
            client.send(command_type="attach", session_id=session_id)
            client.until(lambda message: "so far" in message.get("content", ""))
        os.kill(server.pid, signal.SIGTERM)
        codes = [client.close_code() for client in (one, two)]
    # A worker that waits for its sockets is killed at last, and they have no code then
    assert codes == [1012, 1012]
    server.stop()
    assert len(processes_of(sandbox.state)) == 1
    assert record(server)["end"] is None
    assert last_lines(server) == [
        "One run of Claude goes on; the next start takes it over.",
        f"To end it, run `OPCODE_STATE_DIR={sandbox.state} make end-runs`.",
    ]


# The end of the server ---------------------------------------------------------------------------


def test_server_configured_to_end_runs_ends_them_at_its_stop_as_the_system(
    start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_ON_EXIT="stop", OPCODE_WORKERS="2")
    begin(server, ["grandchild"], ["text", "so far"], FOREVER)
    until(lambda: len(processes_of(sandbox.state)) == 2, "the run has begun")
    server.stop()
    assert not processes_of(sandbox.state)
    end = record(server)["end"]
    assert (end["outcome"], end["cause"]) == (  # type: ignore[index]
        "cancelled",
        "Ended, because the server was stopped.",
    )
    assert not last_lines(server)
    begun = ["run_started", "prompt_submitted"]
    assert names(in_journal(sandbox.state)) == begun
    events = emitted(start_server(sandbox, stand_in), *begun, "run_ended")
    assert only(RunEnded, events).by == SYSTEM


def test_runs_that_a_server_has_left_are_ended_by_a_command(
    start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    """A session whose answer is there already is no less done by that."""
    server = start_server(sandbox, stand_in)
    begin(server, ["text", "so far"], FOREVER)
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    form = {"folder": str(sandbox.project), "prompt": json.dumps([["text", "Done."]]), **ids}
    assert server.post("/sessions", form).status_code == 303
    until(lambda: ">Done</h" in server.get("/runs").text, "one is done, and waits for a prompt")
    assert len(processes_of(sandbox.state)) == 2
    server.kill()
    done = subprocess.run(
        [sys.executable, "-m", "opcode_htmx", "end-runs"],
        cwd=ROOT,
        env={**sandbox.environment(), "OPCODE_STATE_DIR": str(sandbox.state)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Ended 2 runs of Claude in {sandbox.project}.\n"
    assert not processes_of(sandbox.state)
    ends: list[Any] = [each["end"] for each in records(server)]
    assert sorted(end["outcome"] for end in ends) == ["cancelled", "completed"]
    assert {end["cause"] for end in ends} == {"Ended by the command make end-runs."}
    lines = (sandbox.state / "logs" / CURRENT).read_text().splitlines()
    found = [each for each in map(json.loads, lines) if each.get("action") == "run.stop"]
    runs = {each.name for each in (sandbox.state / "runs").iterdir()}
    assert {(each["actor"], each["run"]) for each in found} == {("system", run) for run in runs}
