"""Other findings about the reference implementation, each with the behaviour of this app."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from opcode_htmx.engines.claude.files import history
from tests.support.cli.supervision import FOREVER, steps
from tests.support.clients.json_client import connected
from tests.support.environment import (
    PASSWORD,
    USER,
    Sandbox,
    kill_processes_of,
    processes_of,
    until,
)
from tests.support.server import Server


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_MAX_RUNS": "100"}


def execute(server: Server, prompt: str, **more: Any) -> dict[str, Any]:
    """Begin a run without a connected client."""
    body = {"project_path": str(server.sandbox.project), "prompt": prompt, **more}
    url = f"{server.url}/api/sessions/execute"
    answer = requests.post(url, json=body, auth=(USER, PASSWORD), timeout=20)
    assert answer.status_code == 202, answer.text
    began: dict[str, Any] = answer.json()["data"]
    return began


def status(server: Server, session_id: str) -> str:
    found: str = server.get(f"/api/sessions/{session_id}/output").json()["data"]["status"]
    return found


def test_server_listens_on_the_configured_host(server: Server) -> None:
    """`--host` was ignored."""
    listening = {
        tuple(each.laddr)
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and server.port in tuple(each.laddr)
    }
    assert listening == {("127.0.0.1", server.port)}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


def test_unread_stderr_does_not_block_claude(server: Server) -> None:
    """An unread stderr pipe could block Claude."""
    much = [["stderr", "x" * 60_000]] * 3  # a pipe holds 64 KB
    began = execute(server, steps(*much, ["text", "still here"]))
    until(lambda: status(server, began["session_id"]) == "idle", "the turn ends")
    folder = server.sandbox.state / "runs" / began["run_id"]
    assert (folder / "err.log").stat().st_size == 3 * 60_001
    assert "still here" in (folder / "out.ndjson").read_text()


def test_non_reading_phone_delays_no_other_client(server: Server) -> None:
    """One slow phone stalled every session: a bounded channel, awaited under a global lock."""
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
    folder = str(server.sandbox.project)
    with connected(server, sockopt=small) as slow, connected(server) as other:
        slow.send(command_type="execute", project_path=folder, prompt=steps(["flood", 8_000]))
        run = slow.until("start")["run_id"]
        until(lambda: status(server, run) == "idle", "Claude is done, though nobody has read")
        other.send(command_type="execute", project_path=folder, prompt="hello")
        other.until("completion")
        assert other.said() == ["hello"]
        slow.until("completion")
        assert slow.said() == list(map(str, range(8_000))), "and it has lost nothing"


def test_prompts_and_output_are_in_no_log_and_in_no_argument(server: Server) -> None:
    """Both were printed to the log, and prompts passed in argv."""
    began = execute(server, steps(["text", "the cherry answer"], ["stderr", "the cherry error"]))
    until(lambda: status(server, began["session_id"]) == "idle", "the turn ends")
    project = history.project_id(server.sandbox.project)
    form = {"prompt": "the cherry prompt", "prompt_id": began["session_id"]}
    address = f"/projects/{project}/sessions/{began['session_id']}"
    assert server.post(f"{address}/prompt", form).status_code == 303
    until(lambda: "the cherry prompt" in server.get(address).text, "it is taken up")
    claude, *_ = processes_of(server.sandbox.state, began["run_id"])
    family = [claude, psutil.Process(server.pid), *psutil.Process(server.pid).children()]
    assert "cherry" not in str([process.cmdline() for process in family])
    assert "cherry" not in str(claude.environ())
    assert "cherry" not in server.log.read_text()
    assert PASSWORD not in server.log.read_text()


@pytest.mark.parametrize("folder", ["/", "/etc", "~/../..", "..", "~root", "/proc/self/cwd", "\0"])
def test_a_folder_outside_those_that_are_allowed_is_refused(server: Server, folder: str) -> None:
    """So did paths."""
    runs = server.sandbox.state / "runs"
    before = sorted(runs.glob("*"))
    body = {"project_path": folder, "prompt": "hello"}
    url = f"{server.url}/api/sessions/execute"
    answer = requests.post(url, json=body, auth=(USER, PASSWORD), timeout=20)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"].endswith(".")
    assert sorted(runs.glob("*")) == before


def test_cancel_ends_the_run_and_reports_the_outcome(server: Server) -> None:
    """It was a GET that said success and did nothing."""
    began = execute(server, steps(["grandchild"], ["text", "busy"], FOREVER))
    session_id, run_id = began["session_id"], began["run_id"]
    until(lambda: len(processes_of(server.sandbox.state, run_id)) == 2, "both run")
    done = server.get(f"/api/sessions/{session_id}/cancel")
    assert done.json()["data"]["cancelled"] is True
    assert processes_of(server.sandbox.state, run_id) == [], "when it says so, it is so"
    again = server.get(f"/api/sessions/{session_id}/cancel").json()["data"]
    assert (again["cancelled"], again["outcome"]) == (False, "cancelled")
    unknown = server.get("/api/sessions/00000000-0000-4000-8000-000000000000/cancel")
    assert (unknown.status_code, unknown.json()["success"]) == (404, False)


def test_client_is_notified_of_a_killed_claude(server: Server) -> None:
    """An abnormal close never settled the client."""
    with connected(server) as client:
        folder = str(server.sandbox.project)
        prompt = steps(["text", "busy"], FOREVER)
        client.send(command_type="execute", project_path=folder, prompt=prompt)
        run_id = client.until("start")["run_id"]
        client.until(lambda message: "busy" in message.get("content", ""))
        kill_processes_of(server.sandbox.state, run_id)
        assert client.until("completion")["status"] == "error"
        assert client.until("ended")["outcome"] == "interrupted"


def test_client_of_a_killed_server_is_disconnected_at_once_and_resumes(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server, gate = start_server(sandbox, stand_in), tmp_path / "gate"
    with connected(server) as client:
        prompt = steps(["text", "one"], ["wait", str(gate)], ["text", "two"])
        folder = str(sandbox.project)
        client.send(command_type="execute", project_path=folder, prompt=prompt, detach=True)
        session_id = client.until("start")["session_id"]
        client.until(
            lambda message: "one" in message.get("content", "") and "assis" in message["content"]
        )
        cursor, killed = client.messages[-1]["cursor"], time.monotonic()
        server.kill()
        with pytest.raises(Exception, match="."):
            client.until("never")
        assert time.monotonic() - killed < 5
    gate.touch()
    server.start()
    with connected(server) as client:
        client.send(command_type="attach", session_id=session_id, cursor=cursor)
        assert client.until("completion")["status"] == "success"
        assert client.said() == ["two"]
