"""/ws/claude beyond the reference implementation: reconnects, requests and answers."""

from __future__ import annotations

import json

from tests.api.sockets.claude.commands import ELICITATION, elicits, execute
from tests.support.cli.supervision import steps
from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import Sandbox
from tests.support.server import Server

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
