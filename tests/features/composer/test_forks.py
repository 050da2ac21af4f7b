"""A new session forked at a block of another one, and the context that Claude receives in it."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

import pytest
import requests

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from opcode_htmx.engines.claude.files import history, subagents
from tests.support.cli.sessions import OpenSession, Session, title
from tests.support.environment import PASSWORD, USER
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)


PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TASK = {"description": "Look", "prompt": "agent at work", "run_in_background": False}


@pytest.fixture(scope="module")
def shared_api() -> Iterator[MessagesApi]:
    def echo(word: str) -> ToolUse:
        return ToolUse("Bash", {"command": f"echo {word}"})

    agent = ToolUse("Task", {**TASK, "subagent_type": "general-purpose"})
    scenes = (
        Scene("agent", "agent at work", [(Text("I dig."), echo("root")), Text("Dug.")]),
        Scene("delegate", "delegate", [agent, Text("It is done.")]),
        Scene("tools", "tools", [(Text("Two."), echo("one"), echo("two")), Text("Both ran.")]),
        Scene("anything", "", [lambda request: Text(f"Answer to {request.prompt}.")]),
    )
    with MessagesApi(scenes) as api:
        yield api


@pytest.fixture
def api(shared_api: MessagesApi) -> MessagesApi:
    return shared_api


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0"}


@pytest.fixture
def server(shared_real_server: Server) -> Server:
    return shared_real_server


@pytest.fixture(scope="module")
def talk(shared_real_server: Server) -> Session:
    """A session that tests fork and leave as it is."""
    session = Session(shared_real_server, "apple", "pear", "plum\nand <more>")
    answer = requests.post(
        f"{shared_real_server.url}{session.address}/prompt",
        data={"prompt": "a fig like this", "prompt_id": str(uuid.uuid4())},
        files={"files": ("fig.png", PIXEL, "image/png")},
        auth=(USER, PASSWORD),
        allow_redirects=False,
        timeout=20,
    )
    assert answer.status_code == 303, answer.text
    session.answered()
    return session


@pytest.fixture(scope="module")
def two_tools(shared_real_server: Server) -> Session:
    """Another one, with one message that calls two tools, and with an agent."""
    return Session(shared_real_server, "tools", "delegate it")


def blocks(session: OpenSession) -> dict[str, str]:
    """The ids of the blocks of the top level, by their source."""
    links = re.findall(r'href="/projects/[^"]+/blocks/([^"/]+)/share"', session.page())
    return {session.get(f"blocks/{each}/source").text: each for each in links}


def forked(session: OpenSession, block_id: str) -> OpenSession:
    """The session that the button on the block's page makes."""
    shared = session.get(f"blocks/{block_id}/share").text
    assert "Fork from here" in shared
    field = re.search(r'name="block" value="([^"]+)"', shared)
    assert field
    answer = session.post("fork", block=unescape(field[1]))
    assert answer.status_code == 303, answer.text
    return OpenSession(session.server, answer.headers["Location"])


def texts_sent(api: MessagesApi, prompt: str) -> list[str]:
    """The texts of the request to the model with `prompt`."""

    def is_it(body: Mapping[str, Any]) -> bool:
        return bool(body.get("tools")) and prompt in json.dumps(body["messages"])

    body = next(filter(is_it, api.requests))
    return [word for message in body["messages"] for word in _words(message)]


def _words(message: Mapping[str, Any]) -> Iterator[str]:
    content = message["content"]
    parts: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for part in parts:
        match part["type"]:
            case "text" if message["role"] != "system" and "<system-reminder>" not in part["text"]:
                yield part["text"].strip()
            case "tool_use":
                yield f"> {part['input'].get('command', part['name'])}"
            case "tool_result":
                yield f"< {part['content']}"
            case _:
                pass


def test_fork_after_an_answer_knows_the_conversation_up_to_it(
    talk: Session, api: MessagesApi
) -> None:
    before = talk.file.read_bytes()
    new = forked(talk, blocks(talk)["Answer to pear."])
    assert title(new.page()) == "apple (fork)"
    assert "Answer to pear." in new.page()
    assert "plum" not in new.page()
    new.prompt("quince")
    assert texts_sent(api, "quince") == [
        *("apple", "Answer to apple.", "pear", "Answer to pear.", "quince")
    ]
    assert talk.file.read_bytes() == before


def words_in(session: OpenSession) -> list[str]:
    """The words of the conversation in its file, which Claude is to go on with."""
    entries = map(json.loads, session.file.read_bytes().splitlines())
    said = [each["message"] for each in entries if each["type"] in ("assistant", "user")]
    return [word for message in said for word in _words(message)]


def test_fork_before_a_prompt_has_it_as_draft(talk: Session) -> None:
    new = forked(talk, blocks(talk)["plum\nand <more>"])
    page = new.page()
    draft = re.search(r'<textarea id="prompt"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert draft
    assert unescape(draft[1]) == "plum\nand <more>"
    assert "Answer to pear." in page
    assert "Answer to plum" not in page
    assert words_in(new) == ["apple", "Answer to apple.", "pear", "Answer to pear."]


def test_the_images_of_a_prompt_are_in_the_draft(talk: Session, server: Server) -> None:
    prompt = next(each for text, each in blocks(talk).items() if "a fig like" in text)
    new = forked(talk, prompt)
    assert 'name="attached"' in new.page()
    (kept,) = (p for p in (server.sandbox.state / "drafts" / new.id).iterdir() if not p.suffix)
    assert kept.read_bytes() == PIXEL


def test_fork_before_the_first_prompt_is_a_new_session(talk: Session, server: Server) -> None:
    answer = talk.post("fork", block=blocks(talk)["apple"])
    assert answer.status_code == 200
    assert "<h1>New session</h1>" in answer.text
    assert "\napple</textarea>" in answer.text
    assert str(server.sandbox.project) in answer.text


def test_fork_after_one_of_several_tools_has_every_result(
    two_tools: Session, api: MessagesApi
) -> None:
    first = next(each for text, each in blocks(two_tools).items() if "echo one" in text)
    new = forked(two_tools, first)
    assert "Both ran." not in new.page()
    new.prompt("sorb")
    # The CLI adds text of its own between a tool's result and a prompt
    words = [word for word in texts_sent(api, "sorb") if word != "No response requested."]
    calls, results = ["> echo one", "> echo two"], ["< one", "< two"]
    if not called_at_once(two_tools):
        calls, results = calls[:1], results[:1]
    assert words[:2] == ["tools", "Two."]
    assert words[2:-1] in (calls + results, calls + results[::-1])
    assert words[-1] == "sorb"


def called_at_once(session: OpenSession) -> bool:
    """Whether the second call came before the first had its result: Claude does not wait for it."""
    words = words_in(session)
    return words.index("> echo two") < words.index("< one")


def test_fork_after_a_text_omits_the_tools_of_its_message(two_tools: Session) -> None:
    new = forked(two_tools, blocks(two_tools)["Two."])
    assert words_in(new) == ["tools", "Two."]


def test_fork_keeps_subagent_work_in_their_cards(two_tools: Session, server: Server) -> None:
    whole = OpenSession(server, two_tools.post("fork").headers["Location"])
    part = forked(two_tools, blocks(two_tools)["It is done."])
    for new in (whole, part):
        page = new.page()
        assert "I dig." in page
        assert "echo root" in page
        folder = subagents.folder_of(new.file)
        (copy,) = folder.glob("agent-*.jsonl")
        entries = [json.loads(line) for line in copy.read_bytes().splitlines()]
        assert {entry.get("sessionId") for entry in entries} == {new.id}


def test_conversation_after_a_clear_is_forked_from_its_own_session(server: Server) -> None:
    session = Session(server, "apple", "/clear", "pear", "plum")
    words = words_in(forked(session, blocks(session)["Answer to pear."]))
    assert words[-2:] == ["pear", "Answer to pear."]
    assert "apple" not in words


def test_a_block_that_is_not_there_cannot_be_forked_from(talk: Session, server: Server) -> None:
    assert talk.post("fork", block="nothing").status_code == 404
    summary = next(each for text, each in blocks(talk).items() if "tokens in" in text)
    assert talk.post("fork", block=summary).status_code == 409
    # its page stands for the answer that it ends
    assert "Fork from here" in talk.get(f"blocks/{summary}/share").text
    assert history.find(server.sandbox.config_dir, talk.id) == talk.file
