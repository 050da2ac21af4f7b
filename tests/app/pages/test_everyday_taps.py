"""The taps that everyday tasks take, as docs/comparison.md has them beside those of the peers.

They are done one-handed: all that is tapped is in the lower 60 % of the screen.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, expect

from tests.features.session_page.gallery.script import photo
from tests.features.session_page.in_browser.look.lines import asks, question, texts
from tests.support.clients import api
from tests.support.environment import Sandbox, until
from tests.support.pages.browser import PHONE, Phone
from tests.support.pages.thumb import Thumb
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.moving, pytest.mark.timeout(180)]

WAIT: list[object] = ["wait", "/no"]
REACH = 0.4 * PHONE["height"]
"""The y of the highest place that the thumb reaches of the hand that holds the phone."""
EDIT = {"file_path": "/a.py", "old_string": "price = 1", "new_string": "price = 2"}


@pytest.fixture(scope="module")
def server(shared_server: Server) -> Server:
    assert shared_server.post("/appearance", {"reach": "on"}).status_code == 303
    return shared_server


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    """With a project of this test's own."""
    return server.sandbox.with_own_project()


@pytest.fixture
def phone(server: Server, kept_phone: Phone) -> Phone:
    return kept_phone


def home(thumb: Thumb, words: str) -> Locator:
    """Open the start page; the row of the session with these words."""
    thumb.page.goto("/")
    thumb.taps = 0
    return thumb.page.locator("a.row[href*='/sessions/']", has_text=words)


def answer(thumb: Thumb, button: str) -> None:
    """Tap a button, and wait for the server: who leaves before may take the answer along."""
    with thumb.page.expect_response("**/asks/**"):
        thumb.tap(thumb.page.get_by_role("button", name=button, exact=True))


def begin(server: Server, project: Path, *steps: list[object]) -> None:
    """Start a session that nobody looks at."""
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    form = {"folder": str(project), "prompt": json.dumps(steps), **ids}
    assert server.post("/sessions", form).status_code == 303


def test_requests_are_answered_from_the_start_page(
    phone: Phone, server: Server, sandbox: Sandbox
) -> None:
    thumb, page = Thumb(phone), phone.page
    for words, step in {
        "deny it": asks("r1", "Bash", command="rm a"),
        "see the diff": asks("r1", "Edit", **EDIT),
        "answer it": ["raw", asks("r1", "AskUserQuestion", questions=[question("Which?")])[1]],
    }.items():
        begin(server, sandbox.project, ["text", words], step, WAIT)
    until(lambda: server.get("/runs").text.count("Waiting for your answer") == 3, "all ask")

    thumb.tap(home(thumb, "answer it"))
    thumb.tap(page.locator(".question label", has_text="No"))
    answer(thumb, "Answer")
    assert thumb.taps == 3

    thumb.tap(home(thumb, "see the diff"))
    expect(page.locator(".block-ask .diff")).to_be_in_viewport()
    answer(thumb, "Allow")
    assert thumb.taps == 2

    thumb.tap(home(thumb, "deny it"))
    thumb.tap(page.locator("summary", has_text="Deny with a reason"))
    expect(page.get_by_label("Tell Claude why")).to_be_focused()
    page.keyboard.type("Not that file")
    answer(thumb, "Deny and tell Claude")
    assert thumb.taps == 3
    assert thumb.highest >= REACH


def test_work_is_stopped_in_two_taps_and_a_session_found_again_in_one(
    phone: Phone, sandbox: Sandbox
) -> None:
    thumb, page = Thumb(phone), phone.page
    phone.begin(sandbox.project, json.dumps([*texts(1), WAIT]))
    expect(page.locator(".block-text")).to_be_visible()
    thumb.tap(home(thumb, "Number 0"))
    thumb.tap(phone.button("Stop"))
    expect(phone.status).to_have_text("Stopped by you.")
    assert thumb.taps == 2

    said = api.prompt("An hour ago", sandbox.project)
    api.session(sandbox.config_dir, sandbox.project, said, "5e551000-0000-4000-8000-000000000009")
    thumb.tap(home(thumb, "An hour ago"))
    expect(page.locator("#transcript .prompt-text")).to_have_text("An hour ago")
    assert thumb.taps == 1
    assert thumb.highest >= REACH


def test_model_takes_three_taps_and_a_photo_four(phone: Phone, sandbox: Sandbox) -> None:
    thumb, page = Thumb(phone), phone.page
    phone.forgiven.append("409")  # the stand-in cannot change its effort
    phone.begin(sandbox.project, json.dumps(texts(1)))
    expect(phone.status).to_have_text("Ready for the next prompt")
    thumb.tap(page.locator("#options-d > summary"))
    effort = page.get_by_label("Effort")
    thumb.tap(effort)
    with page.expect_request("**/options"):
        effort.select_option("high")
    thumb.taps += 1  # in the browser's own list
    assert thumb.taps == 3

    thumb.taps = 0
    with page.expect_file_chooser() as chooser:
        page.locator(".attach input").click(force=True)
    thumb.taps += 3  # the button, and in the phone's own picker the photo and Done
    chooser.value.set_files(FilePayload(name="photo.png", mimeType="image/png", buffer=photo()))
    expect(phone.button("Remove photo.png")).to_be_visible()
    thumb.tap(phone.button("Send"))
    expect(page.locator(".block-prompt img, #queue li, #sending article")).not_to_have_count(0)
    assert thumb.taps == 4
    assert thumb.highest >= REACH
