"""Prompts that Claude Code takes for a command and does not run are kept and shown.

With the real CLI, which answers such prompts by itself and repeats no word of them.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import expect

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from tests.features.composer.in_browser.page import png
from tests.support.cli.sessions import OpenSession, Session
from tests.support.clients.api import get
from tests.support.clients.json_client import connected
from tests.support.environment import PASSWORD, USER, Sandbox, until
from tests.support.pages import dom
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)

LINES = (
    "/login page gives a 500, fix it",
    "/status of the build please",
    "/help",
    "/resume",
    "/permissions",
    "/memory",
    "/export x",
)
"""The reported lines. Claude Code has a command for each, and runs none of them in print mode."""


@pytest.fixture(scope="module")
def api() -> Iterator[MessagesApi]:
    scenes = [Scene("anything", "", [lambda request: Text(f"I read: {request.prompt}")])]
    with MessagesApi(scenes) as api:
        yield api


@pytest.fixture(scope="module")
def server(
    claude: Path, api: MessagesApi, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    sandbox = Sandbox(tmp_path_factory.mktemp("refused") / "home").make()
    server = Server(sandbox, claude, api.url)
    try:
        yield server.start()
    finally:
        server.close()


class WholeSession(Session):
    """One whose page is read from its first block on."""

    first = ""

    def page(self) -> str:
        path = f"{self.address}?from={self.first}" if self.first else self.address
        page = self.server.get(path).text
        # Until then the refusal may be there without the prompt in front of it
        if not self.first and "Ready for the next prompt" in page:
            found = re.search(r'<article [^>]*id="b-([0-9a-f-]+)"', page)
            self.first = found[1] if found else ""
        return page


@pytest.fixture(scope="module")
def session(server: Server) -> WholeSession:
    """One in which a person has sent all of LINES, one after the other."""
    return WholeSession(server, *LINES)


class Shown:
    """The prompts that a page shows, and the buttons with which they are sent as text."""

    def __init__(self, page: str) -> None:
        articles = [
            node
            for node in dom.parse(page).walk()
            if "block-prompt" in (node.attributes.get("class") or "").split()
        ]
        self.words = [text for article in articles for text in _texts(article)]
        self.buttons = [
            str(node.attributes["formaction"])
            for article in articles
            for node in article.walk()
            if node.tag == "button"
        ]


def _texts(article: dom.Node) -> list[str]:
    return [n.text for n in article.walk() if n.attributes.get("class") == "prompt-text"]


def status(session: Session) -> str:
    return str(get(session.server, f"/api/sessions/{session.id}/output")["status"])


def test_every_line_is_on_the_page_once_and_in_order(session: WholeSession) -> None:
    shown = Shown(session.page())
    assert shown.words == list(LINES)
    assert len(shown.buttons) == len(LINES)
    assert session.page().count("Claude has not read it") == len(LINES)


def test_refusal_message_follows_the_command(session: WholeSession) -> None:
    page = session.page()
    assert page.index(LINES[0]) < page.index("/login isn&#39;t available") < page.index(LINES[1])


def test_run_is_idle_after_each_refused_command(session: WholeSession) -> None:
    assert status(session) == "idle"
    assert "Ready for the next prompt" in session.page()


@pytest.mark.parametrize("words", LINES)
def test_refused_commands_are_searchable_and_exported(session: WholeSession, words: str) -> None:
    found = session.get(f"search?q={quote(words)}")
    assert words in dom.parse(found.text).text
    assert words in session.get("export.md").text.splitlines()


def test_title_of_a_session_with_refused_commands_is_its_first_prompt(
    session: WholeSession,
) -> None:
    listed = session.server.get(session.address.rpartition("/sessions/")[0]).text
    assert LINES[0] in listed


def test_chat_client_receives_refused_commands(session: WholeSession) -> None:
    with connected(session.server, f"/api/claude/sessions/{session.id}/chat") as client:
        client.until(lambda message: message.get("content") == LINES[-1])
        said = [each["content"] for each in client.of_type("user_message")]
    assert said == list(LINES)


def test_api_client_receives_the_end_of_a_refused_command(
    server: Server, mixed: WholeSession
) -> None:
    with connected(server) as client:
        project = str(server.sandbox.project)
        client.send(
            command_type="resume", project_path=project, session_id=mixed.id, prompt=LINES[0]
        )
        assert client.until("completion")["status"] == "success"


def test_a_task_that_claude_code_refuses_ends(server: Server) -> None:
    with connected(server) as client:
        client.send(prompt="/login page gives a 500", meta="TASK")
        assert client.close_code() == 1000


SENT_AGAIN = "Sent again as text"


@pytest.fixture(scope="module")
def resent(server: Server) -> WholeSession:
    """A session whose commands are each sent again as text by the test that has sent it."""
    return WholeSession(server, "hello")


def test_command_resent_as_text_reaches_claude_and_is_shown_once(
    server: Server, resent: WholeSession
) -> None:
    session, before = resent, resent.page().count(SENT_AGAIN)
    session.prompt(LINES[0])
    (button,) = Shown(session.page()).buttons
    for _ in range(2):  # a double tap
        assert server.post(button, {}).status_code == 303
    session.answered()
    assert server.post(button, {}).status_code == 303, "and one that comes late"
    page = session.page()
    assert f"I read: {LINES[0]}" in dom.parse(page).text
    assert Shown(page).words.count(LINES[0]) == 1
    assert page.count(SENT_AGAIN) == before + 1
    assert session.get("export.md").text.splitlines().count(LINES[0]) == 1
    assert status(session) == "idle"


def test_images_are_sent_with_a_command_resent_as_text(
    server: Server, api: MessagesApi, resent: WholeSession
) -> None:
    session = resent
    answer = requests.post(
        f"{server.url}{session.address}/prompt",
        data={"prompt": "/login looks like this", "prompt_id": str(uuid.uuid4())},
        files={"files": ("red.png", png(b"\xff\0\0"), "image/png")},
        auth=(USER, PASSWORD),
        timeout=20,
        allow_redirects=False,
    )
    assert answer.status_code == 303
    session.answered()
    (button,) = Shown(session.page()).buttons
    assert server.post(button, {}).status_code == 303
    session.answered()
    read = json.dumps(api.requests[-1]["messages"])
    assert '"type": "image"' in read
    assert "/login looks like this" in read
    assert Shown(session.page()).words.count("/login looks like this") == 1


def test_refused_commands_outlive_the_run_folder_and_can_still_be_sent(
    claude: Path, api: MessagesApi, sandbox: Sandbox, start_server: Callable[..., Server]
) -> None:
    first = start_server(sandbox, claude, api.url)
    session = Session(first, "hello", "/login page gives a 500")
    session.stop()
    live = Shown(session.page()).words
    first.close()
    shutil.rmtree(sandbox.state / "runs")
    later = OpenSession(start_server(sandbox, claude, api.url), session.address)
    shown = Shown(later.page())
    assert shown.words == live == ["hello", "/login page gives a 500"]
    (button,) = shown.buttons
    assert later.server.post(button, {}).status_code == 303
    until(lambda: "I read: /login page gives a 500" in dom.parse(later.page()).text, "it is read")


@pytest.fixture(scope="module")
def mixed(server: Server) -> WholeSession:
    """A session with commands that Claude Code does not refuse, and then one behind a blank."""
    prompts = ("hello", "/cost", "/srv/app/main.py is broken", "/nosuch thing", " /login in front")
    return WholeSession(server, *prompts)


def test_unknown_command_is_sent_as_text(mixed: WholeSession) -> None:
    shown = Shown(mixed.page())
    assert shown.words[2:4] == ["/srv/app/main.py is broken", "/nosuch thing"]
    assert "I read: /nosuch thing" in dom.parse(mixed.page()).text


def test_command_with_output_is_shown_unchanged(mixed: WholeSession) -> None:
    page = mixed.page()
    assert "Claude has not read it" not in page.partition("/nosuch thing")[0]
    assert Shown(page).words[:2] == ["hello", "/usage"]


def test_a_prompt_that_a_hook_keeps_from_claude_stays_on_the_page(server: Server) -> None:
    hook = {"type": "command", "command": "grep -q secret && exit 2 || exit 0"}
    settings = {"hooks": {"UserPromptSubmit": [{"hooks": [hook]}]}}
    file = server.sandbox.config_dir / "settings.json"
    file.write_text(json.dumps(settings))
    session = Session(server, "the secret is 7")
    file.unlink()
    shown = Shown(session.page())
    assert (shown.words, shown.buttons) == (["the secret is 7"], [])
    assert status(session) == "idle"


def test_only_a_refused_prompt_of_this_session_is_sent(mixed: WholeSession, server: Server) -> None:
    session, before = mixed, Shown(mixed.page()).words
    noted = map(json.loads, session.file.read_bytes().splitlines())
    prompt_id = next(line["uuid"] for line in noted if line.get("type") == "user")
    for wrong, expected in ((prompt_id, 303), (str(uuid.uuid4()), 404), ("x", 404)):
        answer = server.post(f"{session.address}/prompts/{wrong}/as-text", {})
        assert answer.status_code == expected
    assert Shown(session.page()).words == before
    assert requests.post(
        f"{server.url}{session.address}/prompts/{prompt_id}/as-text",
        auth=(USER, PASSWORD),
        headers={"Origin": "http://evil.example"},
        timeout=20,
    ).status_code in (400, 403)


def test_refused_command_appears_live_and_is_sent_by_a_tap(
    server: Server, open_phone: Callable[..., Phone], resent: WholeSession
) -> None:
    session, before = resent, resent.page().count(SENT_AGAIN)
    phone = open_phone(server)
    phone.page.goto(f"{server.url}{session.address}")
    phone.page.locator("body[data-link=online]").wait_for()
    phone.send(LINES[1])
    phone.button("Send as text").click()
    phone.page.get_by_text(f"I read: {LINES[1]}").wait_for()
    expect(phone.page.get_by_text(SENT_AGAIN)).to_have_count(before + 1)
    expect(phone.page.locator(".prompt-text", has_text=LINES[1])).to_have_count(1)
    session.turns += 2
