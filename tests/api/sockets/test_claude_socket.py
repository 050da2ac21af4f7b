"""/ws/claude in the dialect of the reference implementation: commands, lines, ends, reconnects."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import (
    Sandbox,
    Server,
    processes_of,
    until,
)

StartServer = Callable[..., Server]


@pytest.fixture
def server(shared_server: Server) -> Server:
    return shared_server


@pytest.fixture
def sandbox(shared_server: Server) -> Sandbox:
    return shared_server.sandbox


@pytest.fixture
def client(server: Server) -> Iterator[JsonClient]:
    with connected(server) as client:
        yield client


def steps(*each: list[object]) -> str:
    return json.dumps(each)


def execute(client: JsonClient, sandbox: Sandbox, prompt: str, **more: Any) -> str:
    """Begin a session; its id."""
    client.send(command_type="execute", project_path=str(sandbox.project), prompt=prompt, **more)
    session_id: str = client.until("start")["session_id"]
    return session_id


# --- the contract ---------------------------------------------------------------------------


def test_execute_sends_start_then_each_line_as_a_json_string_then_completion(
    client: JsonClient, sandbox: Sandbox
) -> None:
    session_id = execute(client, sandbox, "hello")
    completion = client.until("completion")
    assert completion["status"] == "success"
    assert client.said() == ["hello"]
    folder = sandbox.state / "runs" / completion["run_id"]
    written = (folder / "out.ndjson").read_text().splitlines()
    assert client.lines() == written[: len(client.lines())], "each line, once, in order"
    assert {message["session_id"] for message in client.messages[1:]} == {session_id}


def test_a_session_id_given_with_execute_is_claudes_own(
    client: JsonClient, sandbox: Sandbox
) -> None:
    wanted = str(uuid.uuid4())
    assert execute(client, sandbox, steps(["report"]), session_id=wanted) == wanted
    client.until("completion")
    arguments = json.loads(client.said()[0])["arguments"]
    assert arguments[arguments.index("--session-id") + 1] == wanted


def test_a_session_id_that_is_taken_is_refused(client: JsonClient, sandbox: Sandbox) -> None:
    session_id = execute(client, sandbox, "hello")
    client.send(
        command_type="execute",
        project_path=str(sandbox.project),
        prompt="again",
        session_id=session_id,
    )
    assert "Use resume" in client.until("error")["message"]


def test_requested_model_and_mode_reach_claude(client: JsonClient, sandbox: Sandbox) -> None:
    execute(client, sandbox, steps(["report"]), model="sonnet", permission_mode="plan")
    client.until("completion")
    arguments = json.loads(client.said()[0])["arguments"]
    assert arguments[arguments.index("--model") + 1] == "sonnet"
    assert arguments[arguments.index("--permission-mode") + 1] == "plan"


def test_a_further_prompt_goes_to_the_same_process(client: JsonClient, sandbox: Sandbox) -> None:
    execute(client, sandbox, "one")
    client.until("completion")
    client.send(command_type="prompt", prompt="two")
    client.until("completion")
    assert client.said() == ["one", "two"]
    assert len({message["run_id"] for message in client.of_type("output")}) == 1


def test_resume_goes_on_with_a_session_whose_process_has_ended(
    client: JsonClient, sandbox: Sandbox
) -> None:
    session_id = execute(client, sandbox, steps(["text", "one"], ["exit after turn", 0]))
    client.until("ended")
    client.send(
        command_type="resume",
        project_path=str(sandbox.project),
        prompt="two",
        session_id=session_id,
    )
    assert client.until("start")["session_id"] == session_id
    client.until("completion")
    assert client.said() == ["one", "two"]


def test_continue_goes_on_with_the_newest_session_of_the_project(
    client: JsonClient, sandbox: Sandbox
) -> None:
    execute(client, sandbox, "one")
    newest = execute(client, sandbox, "two")
    client.send(command_type="continue", project_path=str(sandbox.project), prompt="three")
    assert client.until("start")["session_id"] == newest


def test_continue_without_a_session_says_what_to_do(client: JsonClient, sandbox: Sandbox) -> None:
    empty = sandbox.home / "work" / "empty"
    empty.mkdir(parents=True)
    client.send(command_type="continue", project_path=str(empty), prompt="three")
    assert "Use execute" in client.until("error")["message"]


# --- the bugs of the reference implementation -----------------------------------------------


def test_bug_1_two_sockets_receive_their_own_session_only(server: Server, sandbox: Sandbox) -> None:
    with connected(server) as one, connected(server) as other:
        ids = [execute(one, sandbox, "apples"), execute(other, sandbox, "pears")]
        for client, session_id, word in ((one, ids[0], "apples"), (other, ids[1], "pears")):
            client.until("completion")
            assert client.said() == [word]
            assert {message["session_id"] for message in client.messages[1:]} == {session_id}


def test_bug_2_and_4_cancel_ends_the_processes_and_says_cancelled(
    client: JsonClient, sandbox: Sandbox
) -> None:
    session_id = execute(client, sandbox, steps(["grandchild"], ["wait", "/nowhere"]))
    client.until("output")
    client.send(command_type="cancel", session_id=session_id)
    assert client.until("cancelled")["session_id"] == session_id
    assert client.until("completion")["status"] == "cancelled"
    run_id = client.messages[-1]["run_id"]
    assert processes_of(sandbox.state, run_id) == []


def test_bug_3_each_stderr_line_is_sent_as_an_error(client: JsonClient, sandbox: Sandbox) -> None:
    session_id = execute(client, sandbox, steps(["stderr", "no such file: plum.txt"]))
    error = client.until("error")
    assert error["message"] == "no such file: plum.txt"
    assert error["session_id"] == session_id


def test_stderr_of_a_live_run_comes_whenever_it_is_written(
    client: JsonClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Also between lines of output, which come without a look at stderr."""
    gates = [tmp_path / "first", tmp_path / "second"]
    execute(
        client,
        sandbox,
        steps(
            ["text", "one"],
            ["wait", str(gates[0])],
            ["stderr", "first plum"],
            ["text", "two"],
            ["wait", str(gates[1])],
            ["stderr", "second plum"],
            ["wait", "/nowhere"],
        ),
    )
    client.until("output")
    gates[0].touch()
    client.until(lambda message: message.get("content") == "first plum")
    gates[1].touch()
    client.until(lambda message: message.get("content") == "second plum")


def test_bug_5_either_id_finds_the_session(client: JsonClient, sandbox: Sandbox) -> None:
    session_id = execute(client, sandbox, steps(["text", "one"], ["wait", "/nowhere"]))
    run_id = client.until("output")["run_id"]
    client.send(command_type="cancel", session_id=run_id)
    assert client.until("cancelled")["session_id"] == session_id


def test_bug_6_a_run_ends_with_its_socket_after_the_grace_unless_it_was_detached(
    stand_in: Path, start_server: StartServer, tmp_path: Path
) -> None:
    sandbox = Sandbox(tmp_path / "own").make()
    server = start_server(sandbox, stand_in, OPCODE_DISCONNECT_GRACE="5")
    gate = tmp_path / "gate"
    with connected(server) as client:
        detached = execute(
            client,
            sandbox,
            steps(["text", "one"], ["wait", str(gate)], ["text", "two"]),
            detach=True,
        )
        last = client.until("output")["cursor"]
        attached = execute(client, sandbox, steps(["grandchild"], ["wait", "/nowhere"]))
        client.until(lambda message: message["session_id"] == attached)
        before = len(until(lambda: processes_of(sandbox.state), "both run"))
    until(lambda: len(processes_of(sandbox.state)) == 1 < before, "only the detached one is left")
    with connected(server) as other:
        other.send(command_type="attach", session_id=detached, cursor=last)
        gate.touch()
        other.until("completion")
        assert other.said()[-1] == "two"


# --- what it lacked -------------------------------------------------------------------------


def test_reconnecting_client_continues_after_its_cursor(server: Server, sandbox: Sandbox) -> None:
    with connected(server) as client:
        session_id = execute(client, sandbox, steps(["lines", 500]), detach=True)
        client.until(lambda message: "line 99" in message.get("content", ""))
        cursor, seen = client.messages[-1]["cursor"], client.lines()
    with connected(server) as client:
        client.send(command_type="attach", session_id=session_id, cursor=cursor)
        client.until("completion")
        seen += client.lines()
    with connected(server) as client:
        client.send(command_type="attach", session_id=session_id)
        client.until("completion")
        assert client.lines() == seen, "no line twice, none left out"


def test_permission_request_is_sent_and_can_be_answered(
    client: JsonClient, sandbox: Sandbox
) -> None:
    execute(client, sandbox, steps(["ask", "request-1"]))
    ask = client.until("permission_request")
    assert (ask["tool_name"], ask["input"]) == ("Bash", {"command": "true"})
    client.send(command_type="permission", request_id=ask["request_id"], decision="allow")
    client.until("completion")
    assert any('"behavior": "allow"' in line for line in client.lines())
    client.send(command_type="permission", request_id=ask["request_id"], decision="deny")
    assert "answered already" in client.until("error")["message"]


ELICITATION = {
    "subtype": "elicitation",
    "mcp_server_name": "orchard",
    "message": "Which?",
    "requested_schema": {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
}


def elicits(request_id: str) -> list[object]:
    """A step of the stand-in in which an MCP server asks the person, until that has answered."""
    asked = {"type": "control_request", "request_id": request_id, "request": ELICITATION}
    return ["say", asked]


def test_what_an_mcp_server_asks_is_sent_and_can_be_answered(
    client: JsonClient, sandbox: Sandbox
) -> None:
    execute(client, sandbox, steps(["ask", "first"], elicits("e")))
    client.until("permission_request")
    client.send(command_type="elicitation", request_id="first", action="accept", content={})
    assert "allow or deny it" in client.until("error")["message"]
    client.send(command_type="permission", request_id="first", decision="allow")
    asked = client.until("elicitation_request")
    assert (asked["server_name"], asked["message"], asked["mode"]) == ("orchard", "Which?", "form")
    assert asked["requested_schema"] == ELICITATION["requested_schema"]
    client.send(command_type="permission", request_id="e", decision="allow")
    assert "accept, decline or cancel" in client.until("error")["message"]
    client.send(command_type="elicitation", request_id="e", action="accept", content={"a": "x"})
    assert client.until("error")["problems"] == {"a": "Use a whole number."}
    client.send(command_type="elicitation", request_id="e", action="accept", content={"a": 4})
    client.send(command_type="elicitation", request_id="e", action="decline")
    assert "answered already" in client.until("error")["message"]


def test_a_denial_takes_the_clients_reason_to_claude(client: JsonClient, sandbox: Sandbox) -> None:
    execute(client, sandbox, steps(["ask", "request-1"]))
    client.until("permission_request")
    client.send(
        command_type="permission", request_id="request-1", decision="deny", reason="Not today."
    )
    client.until("completion")
    assert any("Not today." in line for line in client.lines())


def test_answers_and_notes_of_a_client_reach_claude(client: JsonClient, sandbox: Sandbox) -> None:
    execute(client, sandbox, steps(["ask", "request-1"]))
    client.until("permission_request")
    client.send(
        command_type="permission",
        request_id="request-1",
        decision="allow",
        answers={"Which?": "A"},
        annotations={"Which?": {"notes": "A ripe one."}},
    )
    client.until("completion")
    assert any('"annotations": {"Which?": {"notes": "A ripe one."}}' in x for x in client.lines())


def test_failed_process_is_reported_with_its_last_stderr_line(
    client: JsonClient, sandbox: Sandbox
) -> None:
    execute(client, sandbox, steps(["stderr", "out of plums"], ["exit", 3]))
    error = client.until(lambda message: message["type"] == "error" and "stderr" in message)
    failure = error if isinstance(error["stderr"], list) else client.until("error")
    assert "3" in failure["message"]
    assert "out of plums" in failure["stderr"]
    assert client.until("completion")["status"] == "error"
    assert client.until("ended")["outcome"] == "failed"


def test_one_socket_follows_many_sessions(client: JsonClient, sandbox: Sandbox) -> None:
    ids = [execute(client, sandbox, word) for word in ("apples", "pears", "plums")]
    done = (
        {client.until("completion")["session_id"] for _ in ids}
        if not client.of_type("completion")
        else set()
    )
    done |= {message["session_id"] for message in client.of_type("completion")}
    while done < set(ids):
        done.add(client.until("completion")["session_id"])
    said = {
        message["session_id"]: json.loads(message["content"])["message"]["content"][0]["text"]
        for message in client.of_type("output")
        if '"assistant"' in message["content"]
    }
    assert said == dict(zip(ids, ("apples", "pears", "plums"), strict=True))


# --- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"command_type": "explode"}, "must be one of"),
        ({"command_type": "execute", "prompt": "x"}, "“project_path” is missing"),
        ({"command_type": "execute", "project_path": "/", "prompt": ""}, "“prompt”"),
        ({"command_type": "cancel"}, "Name the session"),
        ({"command_type": "cancel", "session_id": "../../etc"}, "“session_id”"),
        ({"command_type": "execute", "project_path": "/", "prompt": "x", "promt": "y"}, "promt"),
        (
            {"command_type": "execute", "project_path": "/nowhere", "prompt": "x"},
            "outside the folders",
        ),
        (
            {"command_type": "execute", "project_path": "~", "prompt": "x", "model": "--help"},
            "“model”",
        ),
        (
            {
                "command_type": "execute",
                "project_path": "~",
                "prompt": "x",
                "permission_mode": "bypassPermissions",
            },
            "OPCODE_ALLOW_BYPASS",
        ),
        (
            {"command_type": "attach", "session_id": "00000000-0000-4000-8000-000000000000"},
            "no session with this id",
        ),
    ],
)
def test_a_bad_command_is_answered_with_a_sentence_and_the_socket_stays(
    client: JsonClient, sandbox: Sandbox, message: dict[str, Any], words: str
) -> None:
    client.send(**message)
    assert words in client.until("error")["message"]
    execute(client, sandbox, "hello")
    client.until("completion")
    assert not list(Path("/").glob("nowhere"))


@pytest.mark.parametrize(
    "message",
    [
        '{"command_type": "\\ud800"}',
        '{"command_type": "cancel", "session_id": "\\ud800"}',
        '{"command_type": "prompt", "prompt_id": NaN}',
        '{"command_type": "prompt", "prompt_id": 1e999}',
        '{"command_type": "cancel", "session_id": ' + "[" * 900 + "]" * 900 + "}",
        '{"command_type": "cancel", "\\u001b[31m\\ud800": 1}',
    ],
)
def test_unreadable_input_is_not_echoed(client: JsonClient, message: str) -> None:
    """It would end the socket, or come as something that is no JSON."""
    client.send(command_type="explode")
    client.until("error")
    client.ws.send(message)
    text = client.ws.recv()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["message"].endswith(".")


def test_an_answer_that_is_no_json_is_refused_and_the_request_stays_open(
    client: JsonClient, sandbox: Sandbox
) -> None:
    """Claude could not read it, and would wait for ever."""
    execute(client, sandbox, steps(["ask", "request-1"]))
    client.until("permission_request")
    answer = '{"command_type": "permission", "request_id": "request-1", "decision": "allow", '
    for value, words in (
        ("NaN", "not JSON"),
        ("-1e999", "not JSON"),
        ("[" * 200 + "]" * 200, "nested deeper"),
    ):
        client.ws.send(f'{answer}"updated_input": {{"timeout": {value}}}}}')
        assert words in client.until("error")["message"]
    client.send(command_type="permission", request_id="request-1", decision="allow")
    client.until("completion")


def test_a_cursor_that_was_not_given_out_is_refused(client: JsonClient, sandbox: Sandbox) -> None:
    session_id = execute(client, sandbox, "hello")
    client.until("completion")
    for cursor in ("what", "0" * 32 + ".0.0"):
        client.send(command_type="attach", session_id=session_id, cursor=cursor)
        assert "cursor" in client.until("error")["message"]
