"""The chat's socket: what it says, to whom, and how often."""

from __future__ import annotations

import threading
from pathlib import Path

import gevent
import pytest
from simple_websocket import ConnectionClosed

from opcode_htmx.api.sockets import chat_socket
from tests.api.sockets.chat.chats import StartServer, chat, create, processes, say, words
from tests.api.sockets.claude.commands import elicits
from tests.support.cli.supervision import steps
from tests.support.environment import Sandbox, processes_of
from tests.support.server import Server


def test_chat_connects_prompts_and_receives_the_answer_once(server: Server) -> None:
    session_id = create(server, title="Plums")
    with chat(server, session_id) as client:
        assert client.messages[0]["type"] == "connected"
        assert client.messages[0]["sessionId"] == session_id
        assert client.messages[0]["title"] == "Plums"
        assert client.until("backlog")["skipped"] == 0
        say(client, "hello")
        assert client.until("turn_complete")["isError"] is False
        assert words(client.messages) == "hello"
        assert client.of_type("user_message") == [], "it knows what it said"
        assert {each["sessionId"] for each in client.messages} == {session_id}


def test_a_ping_is_answered_with_a_pong(server: Server) -> None:
    with chat(server, create(server)) as client:
        client.send(type="ping")
        assert client.until("pong") == {"type": "pong"}
        client.send(type="pong")
        client.send(type="ping")
        client.until("pong")
        assert client.of_type("error") == []


def test_the_server_pings_again_and_again_until_the_client_is_gone() -> None:
    class Client:
        open = True
        heard: list[str] = []

        def send(self, **message: str) -> None:
            self.heard.append(message["type"])
            if len(self.heard) == 3:
                raise ConnectionClosed

    client = Client()
    with gevent.Timeout(20):
        chat_socket.beat(client, every=0.01)  # type: ignore[arg-type]
    assert client.heard == ["ping"] * 3


def test_prompt_of_one_client_is_sent_to_the_others(server: Server) -> None:
    session_id = create(server)
    with chat(server, session_id) as one, chat(server, session_id) as other:
        other.until("backlog")
        say(one, "hello")
        assert other.until("user_message")["content"] == "hello"
        one.until("turn_complete")
        other.until("turn_complete")
        assert words(one.messages) == words(other.messages) == "hello"


def test_permission_is_requested_answered_and_closed_on_every_client(server: Server) -> None:
    session_id = create(server)
    with chat(server, session_id) as one, chat(server, session_id) as other:
        say(one, steps(["ask", "request-1"]))
        request = one.until("permission_request")
        assert (request["toolName"], request["input"]) == ("Bash", {"command": "true"})
        other.until("permission_request")
        other.send(
            type="permission_response", requestId="request-1", allow=False, message="Not today."
        )
        assert one.until("permission_resolved")["allow"] is False
        one.until("turn_complete")
        one.send(type="permission_response", requestId="request-1", allow=True)
        assert "answered already" in one.until("error")["content"]


def test_what_an_mcp_server_asks_is_closed_on_every_client(server: Server) -> None:
    session_id = create(server)
    with chat(server, session_id) as one, chat(server, session_id) as other:
        say(one, steps(elicits("e"), ["ask", "last"]))
        asked = one.until("elicitation_request")
        assert (asked["serverName"], asked["mode"], asked["url"]) == ("orchard", "form", None)
        other.until("elicitation_request")
        with chat(server, session_id) as late:
            assert late.until("elicitation_request")["requestId"] == "e"
        other.send(type="elicitation_response", requestId="e", action="accept", content={})
        assert other.until("error")["problems"] == {"a": "This is needed."}
        other.send(type="elicitation_response", requestId="e", action="decline")
        other.send(type="elicitation_response", requestId="e", action="decline")
        assert "answered already" in other.until("error")["content"]


def test_cancel_ends_the_run_and_the_next_message_goes_on(server: Server) -> None:
    session_id = create(server)
    with chat(server, session_id) as client:
        client.send(type="cancel")
        assert "Nothing runs" in client.until("error")["content"]
        say(client, steps(["text", "one"], ["grandchild"], ["wait", "/nowhere"]))
        client.until("text_delta")
        client.send(type="cancel")
        assert client.until("ended")["outcome"] == "cancelled"
        assert processes(server, session_id) == []
        say(client, "two")
        client.until("turn_complete")
        assert words(client.messages) == "onetwo"


def test_failed_process_is_reported_with_its_last_stderr_line(server: Server) -> None:
    with chat(server, create(server)) as client:
        say(client, steps(["stderr", "out of plums"], ["exit", 3]))
        failure = client.until(lambda message: isinstance(message.get("stderr"), list))
        assert failure["stderr"] == ["out of plums"]
        assert client.until("ended")["outcome"] == "failed"
        assert "out of plums" in words(client.messages, "error")


def test_late_client_gets_the_newest_200_messages_and_the_number_omitted(
    server: Server,
) -> None:
    session_id = create(server)
    with chat(server, session_id) as client:
        say(client, steps(["lines", 500]))
        client.until("turn_complete")
        everything = client.messages
    with chat(server, session_id) as client:
        backlog = client.until("backlog")
        # 500 lines, the prompt, the end of the turn
        assert (backlog["skipped"], backlog["count"]) == (302, 200)
        client.until("turn_complete")
        assert client.messages[2:] == everything[-200:]
        say(client, "more")
        client.until("turn_complete")
        assert words(client.messages).endswith("line 499more")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("nonsense", "not JSON"),
        ("[]", "JSON object"),
        ("{}", "“type” must be one of"),
        ('{"type": "explode"}', "“type” must be one of"),
        ('{"type": ["user_message"]}', "“type” must be one of"),
        ('{"type": "user_message"}', "“content” is missing"),
        ('{"type": "user_message", "content": ""}', "“content”"),
        ('{"type": "permission_response", "requestId": "x", "allow": "maybe"}', "“allow”"),
        ('{"type": "permission_response", "requestId": "x", "allow": true}', "Nothing runs"),
    ],
)
def test_impossible_request_is_answered_with_a_sentence_and_the_chat_goes_on(
    server: Server, message: str, said: str
) -> None:
    with chat(server, create(server)) as client:
        client.ws.send(message)
        assert said in client.until("error")["content"]
        client.send(type="ping")
        client.until("pong")


def test_idle_session_ends_and_the_chat_is_notified(
    sandbox: Sandbox, stand_in: Path, start_server: StartServer
) -> None:
    server = start_server(
        sandbox, stand_in, OPCODE_TASK_FOLDER=str(sandbox.project), OPCODE_IDLE_TIMEOUT="1"
    )
    with chat(server, create(server)) as client:
        say(client, "hello")
        ended = client.until("ended")
        assert ended["outcome"] == "completed"
        assert "idle" in ended["content"]
        assert processes_of(sandbox.state) == []


def test_stopping_server_asks_clients_to_reconnect_and_the_run_goes_on(
    server: Server, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    session_id = create(server)
    with chat(server, session_id) as client:
        say(client, steps(["text", "one"], ["wait", str(gate)], ["text", "two"]))
        client.until("text_delta")
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        client.ws.settimeout(10)
        assert client.close_code() == 1012
        stopping.join()
    server.start()
    with chat(server, session_id) as client:
        gate.touch()
        client.until("turn_complete")
        assert words(client.messages) == "onetwo"
