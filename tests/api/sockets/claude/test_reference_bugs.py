"""/ws/claude has none of the bugs of the reference implementation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.api.sockets.claude.commands import execute
from tests.support.cli.supervision import steps
from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import Sandbox, processes_of, until
from tests.support.server import Server

StartServer = Callable[..., Server]


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
