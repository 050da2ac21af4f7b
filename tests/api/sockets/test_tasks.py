"""/ws/claude in the task dialect: one prompt, Claude's own lines, and the end as a close code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.demo.messages_api import (
    ApiError,
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from opcode_htmx.engines.claude.files import sessions
from tests.support.cli.supervision import steps
from tests.support.clients.json_client import connected, texts
from tests.support.environment import Sandbox, processes_of, until
from tests.support.server import Server

StartServer = Callable[..., Server]


@pytest.fixture(scope="module")
def shared_settings(shared_sandbox: Sandbox) -> dict[str, str]:
    return {"OPCODE_TASK_FOLDER": str(shared_sandbox.project)}


def carry_out(server: Server, prompt: str, meta: str = "TASK-123") -> tuple[list[str], int]:
    """A task from its prompt to its close: the frames, and the close code."""
    with connected(server) as client:
        client.send(prompt=prompt, meta=meta)
        return client.frames(), client.code


def newest(sandbox: Sandbox) -> Path:
    """The folder of the newest run."""
    return max(runs(sandbox), key=lambda run: float(record(run)["created_at"]))


def runs(sandbox: Sandbox) -> set[Path]:
    return {path.parent for path in sandbox.state.glob("runs/*/run.json")}


def record(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "run.json").read_bytes())
    return found


def outcome(sandbox: Sandbox) -> str:
    end = record(newest(sandbox))["end"]
    return str(end["outcome"]) if end else ""


def test_a_client_is_greeted_with_what_to_send(server: Server) -> None:
    with connected(server) as client:
        assert client.messages == [{"type": "info", "info": "send {prompt,meta}"}]


def test_a_task_gives_claudes_lines_as_they_stand_and_closes_with_1000(
    server: Server,
) -> None:
    frames, code = carry_out(server, "hello")
    assert code == 1000
    output = newest(server.sandbox) / "out.ndjson"
    assert frames == output.read_text(encoding="utf-8").splitlines()
    assert texts(frames) == ["hello"]
    assert outcome(server.sandbox) == "completed"


def test_lines_are_passed_on_whether_they_are_json_or_not_or_even_text(
    server: Server,
) -> None:
    frames, code = carry_out(server, steps(["raw", "no JSON\n"], ["bytes", "ff6f6b0a"]))
    assert "no JSON" in frames
    assert "\ufffdok" in frames
    assert code == 1000


def test_the_process_and_all_it_has_started_are_gone_when_the_socket_closes(
    server: Server,
) -> None:
    assert carry_out(server, steps(["grandchild"], ["text", "done"]))[1] == 1000
    assert processes_of(server.sandbox.state) == []


def test_stderr_comes_as_error_frames(server: Server) -> None:
    frames, code = carry_out(server, steps(["stderr", "no such file: plum.txt"]))
    errors = [frame for frame in map(json.loads, frames) if frame.get("error")]
    assert [error["error"] for error in errors] == ["no such file: plum.txt"]
    assert code == 1000


def test_failed_process_is_reported_with_its_last_stderr_line_and_code_1011(
    server: Server,
) -> None:
    frames, code = carry_out(server, steps(["stderr", "out of plums"], ["exit", 3]))
    last = json.loads(frames[-1])
    assert "3" in last["error"] == last["message"]
    assert last["stderr"] == ["out of plums"]
    assert code == 1011
    assert outcome(server.sandbox) == "failed"


def test_a_task_that_takes_too_long_is_ended_and_closes_with_1011(
    sandbox: Sandbox, stand_in: Path, start_server: StartServer
) -> None:
    server = start_server(
        sandbox,
        stand_in,
        OPCODE_TASK_FOLDER=str(sandbox.project),
        OPCODE_TASK_TIMEOUT="1",
        OPCODE_STOP_DEADLINE="1",
    )
    frames, code = carry_out(server, steps(["grandchild"], ["wait", "/nowhere"]))
    assert "1 second at most" in json.loads(frames[-1])["error"]
    assert code == 1011
    assert outcome(sandbox) == "timed out"
    assert processes_of(sandbox.state) == []


def test_the_run_ends_at_once_when_its_client_goes(server: Server) -> None:
    sandbox = server.sandbox
    with connected(server) as client:
        client.send(prompt=steps(["text", "one"], ["grandchild"], ["wait", "/nowhere"]), meta="T")
        until(lambda: len(processes_of(sandbox.state)) > 1, "it runs")
    until(lambda: not processes_of(sandbox.state), "all of it is gone")
    until(lambda: outcome(sandbox) == "cancelled", "that is noted")


def test_a_second_message_is_refused_and_changes_nothing(server: Server, tmp_path: Path) -> None:
    gate, before = tmp_path / "gate", runs(server.sandbox)
    with connected(server) as client:
        client.send(prompt=steps(["text", "one"], ["wait", str(gate)], ["text", "two"]), meta="T")
        client.send(prompt="another", meta="T-2")
        assert "Open another one" in client.until("error")["error"]
        gate.touch()
        frames = client.frames()
        assert client.code == 1000
    assert texts([json.dumps(message) for message in client.messages[1:]] + frames)[-1] == "two"
    assert len(runs(server.sandbox) - before) == 1


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("nonsense", "not JSON"),
        ("[]", "request"),
        ("{}", "“prompt” is missing"),
        ('{"prompt": "x"}', "“meta” is missing"),
        ('{"prompt": "", "meta": "T"}', "“prompt”"),
        ('{"prompt": 1, "meta": "T"}', "“prompt”"),
        ('{"prompt": "x", "meta": "lower"}', "“meta”"),
        ('{"prompt": "x", "meta": "T 1"}', "“meta”"),
        ('{"prompt": "x", "meta": "T\\n"}', "“meta”"),
        ('{"prompt": "\\ud800", "meta": "T"}', "“prompt”"),
        ('{"prompt": "x", "meta": "T", "model": "y"}', "“model” is not known"),
        (json.dumps({"prompt": "ü" * 4097, "meta": "T"}), "8192 bytes"),
        ("[" * 100_000, "nested"),
    ],
)
def test_invalid_task_is_answered_with_a_sentence_and_closed_with_1008(
    server: Server, message: str, words: str
) -> None:
    before = runs(server.sandbox)
    with connected(server) as client:
        client.ws.send(message)
        [error] = map(json.loads, client.frames())
        assert client.code == 1008
    assert error["type"] == "error"
    assert words in error["error"] == error["message"]
    assert runs(server.sandbox) == before


def test_a_prompt_of_8192_bytes_is_taken(server: Server) -> None:
    prompt = "ü" * 4096
    frames, code = carry_out(server, prompt)
    assert texts(frames) == [prompt]
    assert code == 1000


def test_where_claude_cannot_be_started_the_socket_closes_with_1011(
    sandbox: Sandbox, stand_in: Path, start_server: StartServer
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_TASK_FOLDER=str(sandbox.project))
    stand_in.unlink()
    frames, code = carry_out(server, "hello")
    assert "could not be started" in json.loads(frames[-1])["error"]
    assert code == 1011


def test_tasks_work_in_the_first_project_root_unless_another_folder_is_named(
    sandbox: Sandbox, stand_in: Path, start_server: StartServer
) -> None:
    roots = f"{sandbox.project}:{sandbox.home}"
    server = start_server(sandbox, stand_in, OPCODE_PROJECT_ROOTS=roots)
    frames, _ = carry_out(server, steps(["report"]))
    assert json.loads(texts(frames)[0])["folder"] == str(sandbox.project)


# --- with the real CLI ----------------------------------------------------------------------


def scenes(project: Path) -> tuple[Scene, ...]:
    made = ToolUse("Bash", {"command": f"touch {project / 'made.txt'}"})
    return (
        Scene("make", "make", [made, Text("Made.")]),
        Scene("fail", "fail", [ApiError(400, "invalid_request_error", "No such plum.")]),
    )


@pytest.fixture(scope="module")
def real(shared_home: Sandbox, claude: Path) -> Iterator[Server]:
    settings = {
        "OPCODE_TASK_FOLDER": str(shared_home.project),
        "OPCODE_PERMISSION_MODE": "default",
        "OPCODE_ASK_AHEAD": "0",
    }
    with MessagesApi(scenes(shared_home.project)) as api:
        server = Server(shared_home, claude, api.url, **settings)
        try:
            yield server.start()
        finally:
            server.close()


def test_a_real_task_waits_for_a_person_at_the_pages_and_ends_with_its_turn_as_a_session(
    real: Server,
) -> None:
    with connected(real) as client:
        client.send(prompt="make it", meta="TASK-8")
        ask = client.until("control_request")
        assert ask["request"]["tool_name"] == "Bash"
        run = newest(real.sandbox).name
        until(lambda: "Waiting for your answer" in real.get("/runs").text, "the pages show it")
        address = f"/runs/{run}/asks/{ask['request_id']}"
        assert real.post(address, {"decision": "allow"}).status_code == 303
        assert texts(client.frames())[-1] == "Made."
        assert client.code == 1000
    assert (real.sandbox.project / "made.txt").exists()
    assert processes_of(real.sandbox.state) == []
    session_id = record(newest(real.sandbox))["session_id"]
    [history] = real.sandbox.config_dir.glob(f"projects/*/{session_id}.jsonl")
    until(lambda: sessions.name_of(history) == "TASK-8", "it is named after the task")


def test_a_real_task_whose_turn_fails_says_why_and_closes_with_1011(real: Server) -> None:
    frames, code = carry_out(real, "fail now", "TASK-9")
    assert "No such plum" in json.loads(frames[-1])["error"]
    assert code == 1011
