"""The scripted Messages API of the demo, with the real CLI and without."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from opcode_htmx.engines.claude.demo import scenarios
from opcode_htmx.engines.claude.demo.messages_api import (
    ApiError,
    MessagesApi,
    Request,
    Scene,
    Text,
    Thinking,
    ToolUse,
)
from tests.engines.demo.conversation import (
    Conversation,
    Talk,
    ask,
    asking,
    deltas,
    eventually,
    said,
)


def test_scenario_follows_the_newest_prompt_without_cli_additions() -> None:
    request = Request.parse(
        {
            "messages": [
                {"role": "user", "content": "first"},
                {"role": "assistant", "content": [{"type": "text", "text": "answer"}]},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "[Request interrupted by user]\n"}],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "<system-reminder>be nice</system-reminder>"},
                        {"type": "text", "text": "second"},
                    ],
                },
                {"role": "system", "content": "# Env\n - Primary working directory: /a b\n - x"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t"}]},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "content": "no", "is_error": True},
                        {"type": "tool_result", "content": [{"type": "text", "text": "yes"}]},
                    ],
                },
            ]
        }
    )
    assert (request.prompt, request.step) == ("second", 1)
    assert [(r.text, r.is_error) for r in request.tool_results] == [("no", True), ("yes", False)]
    assert request.working_directory == "/a b"


def test_steps_that_run_out_end_with_a_short_text() -> None:
    scene = Scene("one", "", [Text("only")])
    body = asking("x")
    body["messages"].append({"role": "assistant", "content": "only"})
    (closing,) = cast(tuple[Text], scene.reply(Request.parse(body)))
    assert closing.text == "That is the end of this scene."


@pytest.fixture(scope="module")
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture(scope="module")
def gated_api(gate: threading.Event) -> Iterator[MessagesApi]:
    scenes = (
        Scene("think", "think", [(Thinking("Let me see."), Text("Seen."))]),
        Scene("fail", "fail", [ApiError(400, "invalid_request_error", "The script says no.")]),
        Scene("wait", "wait", [Text("one two three four", gate=gate)]),
    )
    with MessagesApi(scenes) as api:
        yield api


@pytest.fixture(scope="module")
def conversation(
    shared_talk: Talk, gated_api: MessagesApi, tmp_path_factory: pytest.TempPathFactory
) -> Conversation:
    """One for a turn of each scene."""
    return shared_talk(gated_api.url, tmp_path_factory.mktemp("project"))


def test_thinking_reaches_claude_before_the_text(conversation: Conversation) -> None:
    conversation.prompt("think")
    turn = conversation.turn()
    blocks = [b for m in turn if m["type"] == "assistant" for b in m["message"]["content"]]
    assert [b.get("thinking") or b.get("text") for b in blocks] == ["Let me see.", "Seen."]


def test_an_api_error_becomes_an_error_of_the_turn(conversation: Conversation) -> None:
    conversation.prompt("fail")
    result = conversation.turn()[-1]
    assert result["is_error"] is True
    assert "The script says no." in result["result"]


def test_a_gate_holds_the_answer_in_the_middle(
    conversation: Conversation, gated_api: MessagesApi, gate: threading.Event
) -> None:
    conversation.prompt("wait")
    conversation.until(lambda m: deltas([m]) == [" two"])
    assert gated_api.active == 1
    gate.set()
    assert said(conversation.turn()) == "one two three four"


def test_a_client_that_hangs_up_ends_its_answer_silently(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = threading.active_count()
    with MessagesApi([Scene("g", "", [Text("one two", gate=threading.Event())])]) as api:
        body = json.dumps(asking("x", stream=True)).encode()
        head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", api.port), timeout=10) as client:
            client.sendall(head.encode() + body)
            received = b""
            while b'"one"' not in received:
                received += client.recv(65536)
            assert api.active == 1
        eventually(lambda: api.active == 0, "the answer ends")
        eventually(lambda: threading.active_count() == before + 1, "its thread ends")
    assert "".join(capfd.readouterr()) == ""
    assert not caplog.records


def test_closing_ends_held_answers_and_idle_connections() -> None:
    before = threading.active_count()
    api = MessagesApi([Scene("g", "", [Text("one two", gate=threading.Event())])]).start()
    held = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    idle = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    try:
        idle.request("HEAD", "/")
        assert idle.getresponse().read() == b""
        held.request("POST", "/v1/messages", json.dumps(asking("x", stream=True)))
        response = held.getresponse()
        assert response.status == 200
        api.close()
        assert threading.active_count() == before
        with pytest.raises(http.client.IncompleteRead):
            response.read()
    finally:
        held.close()
        idle.close()
        api.close()


def test_without_stream_the_reply_comes_whole() -> None:
    scene = Scene("w", "", [(Text("Look:"), ToolUse("Bash", {"command": "ls"}))])
    with MessagesApi([scene]) as api:
        status, reply = ask(api.url, asking("x"))
        assert status == 200
        assert [block["type"] for block in reply["content"]] == ["text", "tool_use"]
        assert reply["content"][1]["input"] == {"command": "ls"}
        assert reply["stop_reason"] == "tool_use"
        assert [r["model"] for r in api.requests] == ["m"]


def test_a_request_without_tools_gets_a_title(api: MessagesApi) -> None:
    status, reply = ask(api.url, asking(scenarios.RUN_TOOL.prompt_text, tools=[]))
    assert status == 200
    assert [block["type"] for block in reply["content"]] == ["text"]


def test_tokens_are_counted(api: MessagesApi) -> None:
    status, reply = ask(api.url, asking("x" * 400), "/v1/messages/count_tokens?beta=true")
    assert status == 200
    assert reply["input_tokens"] >= 100


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        (b"{", "/v1/messages", 400),
        (b"[]", "/v1/messages", 400),
        (b'{"messages": 1}', "/v1/messages", 400),
        (b"{}", "/v1/models", 404),
    ],
)
def test_unknown_endpoint_is_refused(api: MessagesApi, body: bytes, path: str, status: int) -> None:
    answered, reply = ask(api.url, body, path)
    assert (answered, reply["type"]) == (status, "error")


def test_a_scene_that_fails_is_logged_and_answered_with_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(request: Request) -> Text:
        raise KeyError("broken scene")

    with MessagesApi([Scene("f", "", [fail])]) as api:
        assert ask(api.url, asking("x"))[0] == 500
    assert "broken scene" in caplog.text
