"""/api/sessions: runs that a program starts, reads and ends over REST."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.clients.json_client import texts
from tests.support.environment import PASSWORD, USER, processes_of, until
from tests.support.server import Server


def post(server: Server, path: str, body: dict[str, Any]) -> requests.Response:
    return requests.post(server.url + path, json=body, auth=(USER, PASSWORD), timeout=30)


def execute(server: Server, *steps: list[object], **more: Any) -> dict[str, Any]:
    """Begin a session with the steps of the stand-in; return the API's response."""
    body = {"project_path": str(server.sandbox.project), "prompt": json.dumps(steps), **more}
    answer = post(server, "/api/sessions/execute", body)
    assert answer.status_code == 202, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def output(server: Server, session_id: str, **query: object) -> dict[str, Any]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = server.get(f"/api/sessions/{session_id}/output?{asked}")
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def until_idle(server: Server, session_id: str) -> dict[str, Any]:
    until(lambda: output(server, session_id)["status"] in ("idle", "ended"), "the turn is over")
    return output(server, session_id)


def said(server: Server, session_id: str) -> list[str]:
    return texts([line["content"] for line in output(server, session_id)["lines"]])


# --- starting -------------------------------------------------------------------------------


def test_execute_starts_a_run_and_answers_with_ids_and_links(server: Server) -> None:
    begun = execute(server, ["text", "hello"])
    until_idle(server, begun["session_id"])
    data = server.get(begun["links"]["output"]).json()["data"]
    assert texts([line["content"] for line in data["lines"]]) == ["hello"]


def test_new_gives_an_id_that_execute_takes_as_claudes_own(server: Server) -> None:
    session_id = server.get("/api/sessions/new").json()["data"]
    begun = execute(server, ["report"], session_id=session_id)
    assert begun["session_id"] == session_id
    data = until_idle(server, session_id)
    report = json.loads(texts([line["content"] for line in data["lines"]])[0])
    arguments = report["arguments"]
    assert arguments[arguments.index("--session-id") + 1] == session_id


def test_prompts_with_the_same_id_are_sent_once(server: Server) -> None:
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    first, second = (execute(server, ["text", "once"], **ids) for _ in range(2))
    assert first["run_id"] == second["run_id"]
    data = until_idle(server, ids["session_id"])
    assert texts([line["content"] for line in data["lines"]]) == ["once"]


def test_resume_and_continue_go_on_with_a_session(server: Server) -> None:
    session_id = execute(server, ["text", "one"])["session_id"]
    body = {"project_path": str(server.sandbox.project), "prompt": "two"}
    resumed = post(server, "/api/sessions/resume", {**body, "session_id": session_id})
    assert resumed.status_code == 202
    continued = post(server, "/api/sessions/continue", {**body, "prompt": "three"})
    assert continued.json()["data"]["session_id"] == session_id
    until(lambda: said(server, session_id) == ["one", "two", "three"], "all are answered")


@pytest.mark.parametrize("verb", ["execute", "continue", "resume"])
def test_a_get_points_to_the_socket(server: Server, verb: str) -> None:
    answer = server.get(f"/api/sessions/{verb}")
    assert answer.status_code == 405
    assert answer.json() == {
        "success": False,
        "data": None,
        "error": "Send a POST with a JSON body to start a run here, or use the WebSocket at "
        "/ws/claude.",
    }


@pytest.mark.parametrize(
    ("verb", "changes", "status", "words"),
    [
        ("execute", {"prompt": ""}, 422, "“prompt”"),
        ("execute", {"prompt": None}, 422, "“prompt”"),
        ("execute", {"project_path": "/nowhere"}, 422, "outside the folders"),
        ("execute", {"project_path": "relative"}, 422, "not a full path"),
        ("execute", {"session_id": "me"}, 422, "“session_id”"),
        ("execute", {"model": "--dangerously"}, 422, "“model”"),
        ("execute", {"tpyo": 1}, 422, "“tpyo” is not known"),
        ("execute", {"permission_mode": "bypassPermissions"}, 403, "OPCODE_ALLOW_BYPASS"),
        ("resume", {}, 404, "name the session"),
        ("resume", {"session_id": "00000000-0000-4000-8000-000000000000"}, 404, "no session"),
    ],
)
def test_impossible_request_is_an_error_and_starts_nothing(
    server: Server, verb: str, changes: dict[str, Any], status: int, words: str
) -> None:
    body = {"project_path": str(server.sandbox.project), "prompt": "x", **changes}
    before = list((server.sandbox.state / "runs").glob("*"))
    answer = post(server, f"/api/sessions/{verb}", body)
    assert (answer.status_code, answer.json()["success"]) == (status, False)
    assert words in answer.json()["error"]
    assert list((server.sandbox.state / "runs").glob("*")) == before


def test_continue_where_there_is_no_session_says_what_to_do(server: Server) -> None:
    empty = server.sandbox.home / "work" / "empty"
    empty.mkdir(parents=True)
    body = {"project_path": str(empty), "prompt": "x"}
    answer = post(server, "/api/sessions/continue", body)
    assert answer.status_code == 404
    assert "Use execute" in answer.json()["error"]


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [("{", "application/json", 400), ("[1]", "application/json", 422), ("x=1", "text/plain", 415)],
)
def test_a_body_that_is_no_json_object_is_refused(
    server: Server, data: str, content_type: str, status: int
) -> None:
    answer = requests.post(
        f"{server.url}/api/sessions/execute",
        data=data,
        headers={"Content-Type": content_type},
        auth=(USER, PASSWORD),
        timeout=20,
    )
    assert (answer.status_code, answer.json()["success"]) == (status, False)


# --- running, cancel, output ----------------------------------------------------------------


def test_running_lists_live_runs_only(server: Server) -> None:
    def listed() -> dict[str, dict[str, Any]]:
        runs = server.get("/api/sessions/running").json()["data"]
        return {run["run_id"]: run for run in runs}

    begun = execute(server, ["text", "one"], ["wait", "/nowhere"])
    run = listed()[begun["run_id"]]
    assert run["process_type"] == {"ClaudeSession": {"session_id": begun["session_id"]}}
    assert run["project_path"] == str(server.sandbox.project)
    assert run["pid"] in {
        process.pid for process in processes_of(server.sandbox.state, run["run_id"])
    }
    server.get(begun["links"]["cancel"])
    assert begun["run_id"] not in listed()


@pytest.mark.parametrize(("method", "which"), [("GET", "run_id"), ("POST", "session_id")])
def test_cancel_answers_when_the_processes_are_gone(
    server: Server, method: str, which: str
) -> None:
    begun = execute(server, ["deaf"], ["grandchild"], ["text", "one"], ["wait", "/nowhere"])
    until(lambda: output(server, begun["session_id"])["lines"], "it runs")
    answer = requests.request(
        method,
        f"{server.url}/api/sessions/{begun[which]}/cancel",
        auth=(USER, PASSWORD),
        timeout=30,
    )
    assert processes_of(server.sandbox.state, begun["run_id"]) == []
    data = answer.json()["data"]
    assert (data["cancelled"], data["outcome"]) == (True, "cancelled")
    again = server.get(begun["links"]["cancel"]).json()["data"]
    assert (again["cancelled"], again["outcome"]) == (False, "cancelled")


def test_output_continues_after_a_cursor_without_a_gap(server: Server) -> None:
    begun = execute(server, ["lines", 950], ["stderr", "a warning"])
    until_idle(server, begun["session_id"])
    lines: list[dict[str, Any]] = []
    cursor = ""
    while True:
        query = {"limit": 400, **({"after": cursor} if cursor else {})}
        data = output(server, begun["session_id"], **query)
        if not data["lines"]:
            break
        assert len(data["lines"]) <= 400
        lines += data["lines"]
        cursor = data["cursor"]
    folder = server.sandbox.state / "runs" / begun["run_id"]
    written = (folder / "out.ndjson").read_text().splitlines()
    assert [line["content"] for line in lines if line["stream"] == "stdout"] == written
    assert [line["content"] for line in lines if line["stream"] == "stderr"] == ["a warning"]


def test_output_can_wait_for_more(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    begun = execute(server, ["text", "one"], ["wait", str(gate)], ["text", "two"])
    session_id = begun["session_id"]
    until(lambda: said(server, session_id), "the first answer")
    data = output(server, session_id)
    none = output(server, session_id, after=data["cursor"], wait=0.2)
    assert (none["lines"], none["cursor"]) == ([], data["cursor"])
    gate.touch()
    more = output(server, session_id, after=data["cursor"], wait=20)
    assert texts([line["content"] for line in more["lines"]][:1]) == ["two"]


@pytest.mark.parametrize(
    "query", ["after=what", f"after={'0' * 32}.0.0", "wait=99", "wait=nan", "limit=0", "x=1"]
)
def test_invalid_query_is_an_error(server: Server, query: str) -> None:
    session_id = execute(server, ["text", "one"])["session_id"]
    answer = server.get(f"/api/sessions/{session_id}/output?{query}")
    assert (answer.status_code, answer.json()["success"]) == (422, False)


@pytest.mark.parametrize("what", ["cancel", "output"])
@pytest.mark.parametrize(
    "either_id", ["00000000-0000-4000-8000-000000000000", "f" * 32, "..%2f..", "x"]
)
def test_an_unknown_session_is_not_found(server: Server, what: str, either_id: str) -> None:
    answer = server.get(f"/api/sessions/{either_id}/{what}")
    assert (answer.status_code, answer.json()["success"]) == (404, False)
