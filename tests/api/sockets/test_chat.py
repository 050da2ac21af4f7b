"""/api/claude/sessions: sessions created, listed, ended and exported, and the chat's socket."""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
import requests
from simple_websocket import ConnectionClosed

from opcode_htmx.api.sockets import chat_socket
from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    Thinking,
    ToolUse,
)
from opcode_htmx.engines.claude.files import sessions
from tests.api.sockets.test_claude_socket import elicits
from tests.support.clients.json_client import JsonClient, Message, connected
from tests.support.environment import (
    PASSWORD,
    USER,
    Sandbox,
    Server,
    processes_of,
    runs_of,
    until,
)

StartServer = Callable[..., Server]
BASE = "/api/claude/sessions"


@pytest.fixture(scope="module")
def shared_settings(shared_sandbox: Sandbox) -> dict[str, str]:
    return {"OPCODE_TASK_FOLDER": str(shared_sandbox.project)}


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    yield shared_server
    shared_server.ensure_started()


def processes(server: Server, session_id: str) -> list[psutil.Process]:
    """The living ones of a session's runs."""
    state = server.sandbox.state
    runs = runs_of(state, session_id)
    return [process for run in runs for process in processes_of(state, run.name)]


def steps(*each: list[object]) -> str:
    return json.dumps(each)


def ask(server: Server, method: str, path: str = "", **more: Any) -> requests.Response:
    url = server.url + BASE + path
    return requests.request(method, url, auth=(USER, PASSWORD), timeout=20, **more)


def create(server: Server, **wanted: str) -> str:
    response = ask(server, "POST", json=wanted)
    assert response.status_code == 201, response.text
    return str(response.json()["data"]["id"])


def chat(server: Server, session_id: str) -> Any:
    return connected(server, f"{BASE}/{session_id}/chat")


def say(client: JsonClient, words: str) -> None:
    client.send(type="user_message", content=words)


def words(messages: list[Message], kind: str = "text_delta") -> str:
    return "".join(each["content"] for each in messages if each["type"] == kind)


# --- the sessions ---------------------------------------------------------------------------


def test_a_session_is_made_without_a_process_and_listed(server: Server) -> None:
    sandbox, others = server.sandbox, ask(server, "GET").json()["data"]
    response = ask(
        server, "POST", json={"workingDir": str(sandbox.project), "title": "Plums", "model": "opus"}
    )
    made = response.json()["data"]
    assert response.status_code == 201
    assert (made["title"], made["status"]) == ("Plums", "created")
    assert made["workingDir"] == str(sandbox.project)
    assert made["links"]["chat"] == f"{BASE}/{made['id']}/chat"
    listed = ask(server, "GET").json()["data"]
    assert [each for each in listed if each not in others] == [made]
    assert ask(server, "GET", f"/{made['id']}").json()["data"] == made
    assert runs_of(sandbox.state, made["id"]) == []


def test_a_session_without_a_folder_works_where_tasks_work(server: Server) -> None:
    session_id = create(server)
    about = ask(server, "GET", f"/{session_id}").json()["data"]
    assert about["workingDir"] == str(server.sandbox.project)


def test_the_title_the_model_and_the_mode_reach_claude(server: Server) -> None:
    session_id = create(server, title="Plums", model="opus", permissionMode="plan")
    with chat(server, session_id) as client:
        say(client, steps(["report"]))
        client.until("turn_complete")
        arguments = json.loads(words(client.messages))["arguments"]
    assert arguments[arguments.index("--session-id") + 1] == session_id
    assert arguments[arguments.index("--model") + 1] == "opus"
    assert arguments[arguments.index("--permission-mode") + 1] == "plan"


def test_a_session_that_was_never_prompted_outlives_the_server(server: Server) -> None:
    session_id = create(server, title="Plums")
    server.kill()
    server.start()
    assert ask(server, "GET", f"/{session_id}").json()["data"]["title"] == "Plums"
    with chat(server, session_id) as client:
        say(client, "hello")
        client.until("turn_complete")
        assert words(client.messages) == "hello"


def test_delete_ends_all_processes_before_it_answers(server: Server) -> None:
    session_id = create(server)
    with chat(server, session_id) as client:
        say(client, steps(["text", "one"], ["grandchild"], ["wait", "/nowhere"]))
        client.until("text_delta")
        assert ask(server, "DELETE", f"/{session_id}").json()["data"]["status"] == "ended"
        assert processes(server, session_id) == []
        assert client.until("ended")["outcome"] == "cancelled"
        say(client, "and on")
        client.until("turn_complete")
    assert ask(server, "DELETE", f"/{session_id}").status_code == 200


def test_delete_forgets_a_session_that_never_began_and_closes_its_chats(server: Server) -> None:
    session_id = create(server)
    with chat(server, session_id) as client:
        client.until("backlog")
        assert ask(server, "DELETE", f"/{session_id}").status_code == 200
        assert client.until("ended")["outcome"] == "gone"
        assert client.close_code() == 1000
    assert ask(server, "GET", f"/{session_id}").status_code == 404


@pytest.mark.parametrize(
    ("wanted", "status", "said"),
    [
        ({"workingDir": "/nowhere"}, 422, "outside the folders"),
        ({"workingDir": ""}, 422, "workingDir"),
        ({"title": "x" * 201}, 422, "title"),
        ({"model": "--help"}, 422, "model"),
        ({"permissionMode": "bypassPermissions"}, 403, "Bypass"),
        ({"permissionMode": "yolo"}, 422, "permissionMode"),
        ({"folder": "x"}, 422, "folder"),
        ([], 422, "object"),
    ],
)
def test_a_session_that_cannot_be_made_is_refused_with_a_sentence(
    server: Server, wanted: Any, status: int, said: str
) -> None:
    before = ask(server, "GET").json()["data"]
    response = ask(server, "POST", json=wanted)
    assert response.status_code == status
    assert response.json()["success"] is False
    assert said in response.json()["error"]
    assert ask(server, "GET").json()["data"] == before


@pytest.mark.parametrize("session_id", ["00000000-0000-4000-8000-000000000000", "x", "..%2f..%2f"])
def test_a_session_that_is_not_known_is_not_found(server: Server, session_id: str) -> None:
    for method in ("GET", "DELETE"):
        response = ask(server, method, f"/{session_id}")
        assert (response.status_code, response.json()["success"]) == (404, False)
    assert ask(server, "GET", f"/{session_id}/export").status_code == 404
    if "%" not in session_id:
        with chat(server, session_id) as client:
            assert "no session" in client.messages[0]["message"]
            assert client.close_code() == 1008


def test_export_of_a_session_without_a_run_is_refused(server: Server) -> None:
    session_id = create(server)
    for format_, status in (("md", 409), ("html", 409), ("jsonl", 409), ("pdf", 422)):
        response = ask(server, "GET", f"/{session_id}/export?format={format_}")
        assert (response.status_code, response.json()["success"]) == (status, False)


# --- the socket -----------------------------------------------------------------------------


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


# --- with the real CLI ----------------------------------------------------------------------

SLOW = "It is one two three four five six"


@pytest.fixture(scope="module")
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture(scope="module")
def real(shared_home: Sandbox, claude: Path, gate: threading.Event) -> Iterator[Server]:
    made = ToolUse("Bash", {"command": f"touch {shared_home.project / 'made.txt'}"})
    scenes = (
        Scene("make", "make", [(Thinking("Let me see."), Text("I will."), made), Text("Made.")]),
        Scene("slow", "slow", [Text(SLOW, gate=gate)]),
        Scene("anything", "", [Text("Yes indeed, it is so.")]),
    )
    settings = {
        "OPCODE_TASK_FOLDER": str(shared_home.project),
        "OPCODE_PERMISSION_MODE": "default",
        "OPCODE_ASK_AHEAD": "0",
    }
    with MessagesApi(scenes) as api:
        server = Server(shared_home, claude, api.url, **settings)
        try:
            yield server.start()
        finally:
            gate.set()
            server.close()


def test_real_chat_sends_text_tools_and_questions_once(real: Server) -> None:
    sandbox = real.sandbox
    session_id = create(real, title="Plums")
    with chat(real, session_id) as client:
        say(client, "make it")
        request = client.until("permission_request")
        client.send(type="permission_response", requestId=request["requestId"], allow=True)
        client.until("turn_complete")
        assert words(client.messages, "thinking_delta") == "Let me see."
        assert words(client.messages) == "I will.Made."
        assert len(client.of_type("text_delta")) > 2, "in pieces"
        [use], [result] = client.of_type("tool_use"), client.of_type("tool_result")
        assert (use["name"], use["toolUseId"]) == ("Bash", result["toolUseId"])
        assert result["isError"] is False
        assert (sandbox.project / "made.txt").exists()
        [resolved] = client.of_type("permission_resolved")
        assert (resolved["requestId"], resolved["allow"]) == (request["requestId"], True)
        assert client.of_type("error") == []
    with chat(real, session_id) as late:
        late.until("turn_complete")
        assert words(late.messages) == "I will.Made."
        assert late.of_type("user_message")[0]["content"] == "make it"
        assert late.of_type("tool_use") == [use]
    history = next(sandbox.config_dir.glob(f"projects/*/{session_id}.jsonl"))
    until(lambda: sessions.name_of(history) == "Plums", "the title is the session's name")


def test_client_joining_in_mid_answer_gets_its_start_and_its_rest(
    real: Server, gate: threading.Event
) -> None:
    session_id = create(real)
    with chat(real, session_id) as one:
        say(one, "slow please")
        one.until("text_delta")
        with chat(real, session_id) as other:
            other.until("text_delta")
            gate.set()
            for client in (one, other):
                client.until("turn_complete")
                assert words(client.messages) == SLOW


def test_a_real_session_is_exported_and_goes_on_after_its_process(real: Server) -> None:
    session_id = create(real, title="Plums")
    with chat(real, session_id) as client:
        say(client, "Is it so?")
        client.until("turn_complete")
    assert ask(real, "DELETE", f"/{session_id}").status_code == 200
    until(
        lambda: ask(real, "GET", f"/{session_id}").json()["data"]["title"] == "Plums",
        "it has its title",
    )
    for format_, type_ in (
        ("md", "text/markdown"),
        ("html", "text/html"),
        ("jsonl", "application/x-ndjson"),
    ):
        response = ask(real, "GET", f"/{session_id}/export?format={format_}")
        assert response.headers["Content-Type"].startswith(type_)
        assert "Yes indeed, it is so." in response.text
        assert f".{format_}" in response.headers["Content-Disposition"]
    with chat(real, session_id) as client:
        client.until("ended")
        say(client, "And this?")
        client.until("turn_complete")
        assert words(client.messages) == "Yes indeed, it is so." * 2


def test_a_session_from_a_terminal_can_be_chatted_with(real: Server, claude: Path) -> None:
    sandbox, session_id = real.sandbox, str(uuid.uuid4())
    subprocess.run(
        [claude, "-p", "--session-id", session_id, "Is it so?"],
        cwd=sandbox.project,
        env=sandbox.environment(real.api_url),
        check=True,
        capture_output=True,
        timeout=60,
    )
    with chat(real, session_id) as client:
        assert client.until("user_message")["content"] == "Is it so?"
        assert client.until("text_delta")["content"] == "Yes indeed, it is so."
        say(client, "And this?")
        client.until("turn_complete")
        assert words(client.messages) == "Yes indeed, it is so." * 2
