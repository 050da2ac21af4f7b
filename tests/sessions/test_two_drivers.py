"""A session that is also used at the computer while the phone's run of it is alive."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
)
from opcode_htmx.engines.claude.files import process_registry
from tests.support.cli.sessions import Session
from tests.support.environment import until
from tests.support.pages.browser import Phone
from tests.support.server import Server

ALSO_USED = "Also used at the computer; this Claude does not know that yet."


def answer(request: Request) -> tuple[Text, ...]:
    return (Text(f"ANSWER to {request.prompt}"),)


@pytest.fixture(scope="module")
def shared_api() -> Iterator[MessagesApi]:
    with MessagesApi([Scene("any", lambda _: True, lambda request: [answer(request)] * 9)]) as api:
        yield api


@pytest.fixture
def api(shared_api: MessagesApi) -> MessagesApi:
    return shared_api


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_IDLE_TIMEOUT": "30m"}


def has_open(session: Session) -> bool:
    """Whether a process that is in no terminal has it open, by Claude's registry."""
    found = process_registry.live_sessions(session.sandbox.config_dir)
    return [each.in_terminal for each in found if each.session_id == session.id] == [False]


def desk(session: Session, claude: Path, text: str) -> None:
    """Somebody prompts in the same session at the computer."""
    subprocess.run(
        [claude, "-p", "--resume", session.id],
        cwd=session.sandbox.project,
        env=session.sandbox.environment(session.server.api_url),
        input=text.encode(),
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )


def say(session: Session, prompt: str) -> None:
    """On the phone; the page has not all turns any more, so that they cannot be counted."""
    ids = {"prompt_id": str(uuid.uuid4())}
    assert session.post("prompt", prompt=prompt, **ids).status_code == 303

    def is_answered() -> bool:
        page = session.page()
        return f"ANSWER to {prompt}" in page and "Ready for the next prompt" in page

    until(is_answered, "the turn ends")


def words_sent(api: MessagesApi) -> str:
    """All that the model was sent with the newest prompt."""
    return json.dumps([body for body in api.requests if body.get("tools")][-1]["messages"])


def is_everywhere(session: Session, words: str) -> bool:
    """Whether these words of the computer are on the page, in exports and in search."""
    shown = session.page(), session.get("export.md").text, session.get("export.html").text
    found = session.get("search?q=ANSWER+to+DESK").text
    return all(f"ANSWER to {words}" in each for each in shown) and "<mark>" in found


def test_open_page_search_and_exports_have_desk_activity_and_the_page_restarts_from_it(
    shared_real_server: Server, claude: Path, api: MessagesApi, open_phone: Callable[..., Phone]
) -> None:
    session = Session(shared_real_server, "PHONE one")
    assert has_open(session)
    phone = open_phone(shared_real_server)
    phone.page.goto(f"{shared_real_server.url}{session.address}")
    desk(session, claude, "DESK two")
    expect(phone.page.get_by_text("ANSWER to DESK two")).to_be_visible()
    expect(phone.page.get_by_text(ALSO_USED)).to_be_visible()
    assert is_everywhere(session, "DESK two")
    assert ALSO_USED in session.page()
    goes_on_without(session, api, "DESK two", "PHONE three")

    desk(session, claude, "DESK four")
    expect(phone.page.get_by_text("ANSWER to DESK four")).to_be_visible()
    takes_back = "To begin again takes back what you said here meanwhile."
    expect(phone.page.get_by_text(takes_back)).to_be_visible()
    phone.page.get_by_role("button", name="Begin again from the newest").click()
    expect(phone.status).to_contain_text("Ended, to begin again")
    # what was marked as the computer's is a part of the conversation now
    expect(phone.page.locator(".block-branch")).to_have_count(1)
    expect(phone.page.locator(".block-branch")).to_contain_text("Taken back")
    expect(phone.page.get_by_text("ANSWER to DESK two")).to_have_count(1)
    assert ALSO_USED not in session.page()
    assert "Ended, to begin again from what was said at the computer." in session.page()
    say(session, "PHONE five")
    sent = words_sent(api)
    assert "DESK four" in sent and "PHONE five" in sent and "PHONE three" not in sent
    assert "PHONE three" in session.page().partition("Taken back")[2]

    # the process noted its own place last, so the desk's words are no part of the next one's
    desk(session, claude, "DESK six")
    expect(phone.page.get_by_text("ANSWER to DESK six")).to_be_visible()
    goes_on_without(session, api, "DESK six", "PHONE seven")
    session.stop()
    assert not has_open(session)
    goes_on_without(session, api, "DESK six", "PHONE eight")


def goes_on_without(session: Session, api: MessagesApi, words: str, prompt: str) -> None:
    say(session, prompt)
    assert words not in words_sent(api)
    assert is_everywhere(session, words)
    # after resuming here there is nothing newer to begin again from
    assert ALSO_USED not in session.page()
    before = session.page().count("Taken back")
    assert session.post("begin-again").status_code == 303
    assert session.page().count("Taken back") == before


def test_registry_entry_of_a_dead_process_is_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    for name, content in {
        "1.json": {"pid": 1, "sessionId": "a", "procStart": "1", "entrypoint": "cli"},
        "999999999.json": {"pid": 999999999, "sessionId": "b"},
        "2.json": {"pid": 3, "sessionId": "c"},
        "x.json": {"pid": 1, "sessionId": "d"},
        "4.json": ["no object"],
    }.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "5.json").write_text("no JSON")
    os.mkfifo(folder / "6.json")  # without a writer
    (folder / "7.json").symlink_to("/dev/zero")
    assert list(process_registry.live_sessions(tmp_path)) == []
