"""Arbitrary client messages: the response is a sentence, and no other client is affected."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from opcode_htmx.api.schema.chat_messages import FROM_CHAT, NewChat
from opcode_htmx.api.schema.requests import COMMANDS, Execution, Task
from opcode_htmx.api.sockets.incoming import object_in, value_in
from opcode_htmx.engines.claude.files import history
from opcode_htmx.web.rest.invalid_request import InvalidRequest
from opcode_htmx.web.rest.validation import validated
from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import PASSWORD, USER, Sandbox
from tests.support.fuzzing import (
    DEPTHS,
    HALF,
    KEYS,
    examples,
    nested,
    patient,
    values,
)
from tests.support.server import Server

pytestmark = patient

SESSION = "00000000-0000-4000-8000-000000000000"
FIELDS = st.sampled_from(
    [
        *("command_type", "project_path", "prompt", "model", "session_id", "permission_mode"),
        *("effort", "prompt_id", "detach", "cursor", "request_id", "decision", "reason", "answers"),
        *("updated_input", "suggestions", "type", "content", "promptId", "requestId", "allow"),
        *("message", "meta", "workingDir", "title", "permissionMode"),
    ]
)
NAMES = st.sampled_from([*COMMANDS, *FROM_CHAT, "explode", "", HALF])
WORTHS = (
    values(FIELDS | KEYS)
    | NAMES
    | st.sampled_from([SESSION, "default", "allow", "deny", "0" * 32, "0" * 32 + ".0.0", "sonnet"])
)
OBJECTS = st.builds(
    lambda fields, kind, type_: {**fields, **kind, **type_},
    st.dictionaries(FIELDS | KEYS, WORTHS, max_size=6),
    st.fixed_dictionaries({}, optional={"command_type": NAMES}),
    st.fixed_dictionaries({}, optional={"type": NAMES}),
)
FRAMES = (
    OBJECTS.map(json.dumps)
    | values().map(json.dumps)
    | st.text(max_size=40).filter(lambda text: HALF not in text)
    | DEPTHS.map(lambda depth: '{"command_type":' + "[" * depth + "]" * depth + "}")
    | DEPTHS.map(lambda depth: '{"command_type":"execute","prompt_id":' + "[" * depth + "]" * depth)
)
SENTENCE = re.compile(r".{3,600}[.!?]", re.DOTALL)


def assert_sentence(words: object) -> None:
    assert isinstance(words, str)
    assert SENTENCE.fullmatch(words), words
    words.encode()
    assert words.isprintable(), ascii(words)


# --- the parsers ----------------------------------------------------------------------------


@examples(150)
@given(FRAMES | st.binary(max_size=40))
@example("[" * 100_000)
@example(b"\xff\xfe{\x00}\x00")
@example("9" * 5000)
def test_any_message_is_an_object_or_refused_in_a_sentence(text: str | bytes) -> None:
    try:
        assert isinstance(object_in(text), dict)
    except InvalidRequest as error:
        assert_sentence(str(error))
    try:
        assert validated(Task, value_in(text)).prompt
    except InvalidRequest as error:
        assert_sentence(str(error))


@examples(200)
@given(
    st.sampled_from([*COMMANDS.values(), *FROM_CHAT.values(), Execution, NewChat]),
    OBJECTS,
)
@example(COMMANDS["execute"], {HALF: 1})
@example(COMMANDS["execute"], {"x" * 5000: 1})
@example(COMMANDS["execute"], {"a\nb\x1b[31m": 1})
@example(COMMANDS["permission"], {"answers": {HALF: 1}})
@example(COMMANDS["permission"], {"answers": {"x" * 9000: 1}})
def test_any_object_is_a_request_or_refused_in_a_sentence(kind: Any, message: Any) -> None:
    is_request_or_refused(kind, message)


def test_deeply_nested_input_is_a_request_or_refused_in_a_sentence() -> None:
    # no example for Hypothesis, whose printer recurses more than the parser
    is_request_or_refused(COMMANDS["permission"], {"updated_input": nested(900, {})})


def is_request_or_refused(kind: Any, message: Any) -> None:
    try:
        request = validated(kind, message)
    except InvalidRequest as error:
        assert_sentence(str(error))
    else:
        json.dumps(request.model_dump(mode="json"), ensure_ascii=False).encode()


# --- a real server --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_TASK_FOLDER": "~/work/orchard", "OPCODE_MAX_RUNS": "100"}


@pytest.fixture
def sandbox(shared_server: Server) -> Sandbox:
    return shared_server.sandbox


@pytest.fixture
def bystander(server: Server, sandbox: Sandbox) -> Iterator[JsonClient]:
    """Another client at work meanwhile: served before and after, and sent nothing else."""
    with connected(server) as client:
        where = str(sandbox.project)
        client.send(command_type="execute", project_path=where, prompt="one")
        client.until("completion")
        yield client
        client.send(command_type="prompt", prompt="two")
        client.until("completion")
        assert [client.said()[0], client.said()[-1]] == ["one", "two"]
        assert len({message["session_id"] for message in client.messages[1:]}) == 1
    assert "Traceback" not in server.log.read_text()


ODD: list[str | bytes] = [
    json.dumps({"command_type": HALF}),
    json.dumps({"command_type": "execute", HALF: 1}),
    json.dumps({"command_type": "cancel", "session_id": HALF}),
    json.dumps({"command_type": "cancel", "session_id": float("nan")}),
    json.dumps({"command_type": "prompt", "prompt_id": {HALF: [float("inf")]}}),
    json.dumps({"command_type": "attach", "session_id": ["x"] * 9}),
    json.dumps({"command_type": "permission", "answers": {"x" * 9000: 1}}),
    '{"command_type": "cancel", "session_id": ' + "[" * 900 + "]" * 900 + "}",
    '{"command_type": ' + "[" * 5000 + "]" * 5000 + "}",
    '{"command_type": "cancel", "session_id": 1' + "0" * 400 + "}",
    json.dumps({"command_type": "cancel", "session_id": "x" * 100_000}),
    json.dumps({"type": HALF}),
    json.dumps({"type": "user_message", "content": HALF}),
    json.dumps({"type": "user_message", "content": "x", "promptId": HALF}),
    json.dumps({"type": "permission_response", "requestId": HALF, "allow": True}),
    json.dumps({"type": "permission_response", "requestId": "x", "allow": "perhaps"}),
    b"\xff\xfe\x00",
    b"\x00" * 100,
    b"",
    "",
    "null",
    "[]",
]


def frames(count: int) -> list[str | bytes]:
    """A fixed sample of hypothesis's examples."""
    found: list[str | bytes] = []

    @examples(count)
    @given(FRAMES | st.binary(max_size=40))
    def collect(frame: str | bytes) -> None:
        found.append(frame)

    collect()
    return found


def exchange(client: JsonClient, frame: str | bytes) -> None:
    if isinstance(frame, str):
        client.ws.send(frame)
    else:
        client.ws.send_binary(frame)


def strictly(text: str) -> Any:
    """As a browser reads it: no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_socket_of_commands_answers_anything_with_a_sentence_and_stays(
    server: Server, bystander: JsonClient
) -> None:
    with connected(server) as client:
        client.send(command_type="explode")
        client.until("error")
        for frame in [*ODD, *frames(80)]:
            exchange(client, frame)
            answer = strictly(client.ws.recv())
            assert answer["type"] == "error", (frame, answer)
            assert_sentence(answer["message"])


def test_a_first_message_that_is_no_task_is_refused_with_1008(
    server: Server, bystander: JsonClient
) -> None:
    for frame in [*ODD, *frames(25)]:
        text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
        if "command_type" in text:
            continue
        with connected(server) as client:
            exchange(client, frame)
            answer = strictly(client.ws.recv())
            assert_sentence(answer["error"])
            assert client.close_code() == 1008


def test_a_chat_answers_anything_with_a_sentence_and_stays(
    server: Server, sandbox: Sandbox, bystander: JsonClient
) -> None:
    with connected(server, chat_of(server, sandbox), greeted=False) as client:
        client.until("backlog")
        for frame in [*ODD, *frames(80)]:
            exchange(client, frame)
            while True:
                answer = strictly(client.ws.recv())
                if answer["type"] not in ("ping", "user_message", "text_delta", "turn_complete"):
                    break
            assert answer["type"] in ("error", "pong"), (frame, answer)
            if answer["type"] == "error":
                assert_sentence(answer["message"])


def chat_of(server: Server, sandbox: Sandbox) -> str:
    made = requests.post(
        f"{server.url}/api/claude/sessions",
        json={"workingDir": str(sandbox.project)},
        auth=(USER, PASSWORD),
        timeout=20,
    )
    return f"/api/claude/sessions/{made.json()['data']['id']}/chat"


def test_page_socket_ignores_any_message(
    server: Server, sandbox: Sandbox, bystander: JsonClient
) -> None:
    session_id = bystander.messages[-1]["session_id"]
    project = history.project_id(sandbox.project)
    path = f"/projects/{project}/sessions/{session_id}/live?cursor="
    for cursor in ("", "999999:999999999999999", "-1:-1", "x", "%00", "%ED%A0%80", "9" * 3000):
        with connected(server, path + cursor, greeted=False) as page:
            assert 'id="cursor"' in page.ws.recv()
    with connected(server, path, greeted=False) as page:
        for frame in [*ODD, *frames(40)]:
            exchange(page, frame)
        bystander.send(command_type="prompt", prompt="while it is sent nonsense")
        while "while it is sent nonsense" not in page.ws.recv():
            pass
        bystander.until("completion")
