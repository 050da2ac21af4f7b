"""On a phone: Claude edits, a person comments on lines of the changes, and Claude mends them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
    Turn,
)
from tests.features.changes.conftest import Repository
from tests.support.environment import Sandbox
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

Open = Callable[..., Phone]
PLANTED = "def plant(tree):\n    tree.height = 1\n    return tree\n"


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0"}


@pytest.fixture(scope="module")
def shared_api(shared_home: Sandbox) -> Iterator[MessagesApi]:
    file = str(shared_home.project / "plant.py")

    def mend(request: Request) -> Turn:
        assert "`plant.py`, lines 2-3:" in request.prompt, request.prompt
        mended = PLANTED.replace("height = 1", "height = 2")
        return (ToolUse("Write", {"file_path": file, "content": mended}),)

    scenes = (
        Scene("mend", "Please go through", [mend, Text("Mended.")]),
        Scene(
            "plant",
            "plant",
            [ToolUse("Write", {"file_path": file, "content": PLANTED}), Text("Planted.")],
        ),
    )
    with MessagesApi(scenes) as running:
        yield running


@pytest.fixture
def repository(shared_home: Sandbox) -> Repository:
    made = Repository(shared_home.home, shared_home.project)
    made.make()
    made.git("checkout", "--quiet", "--", ".")
    return made


def begin(server: Server, folder: Path) -> str:
    """The address of a session in which Claude plants."""
    form = {
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
        "folder": str(folder),
        "prompt": "plant",
        "permission_mode": "acceptEdits",
    }
    answer = server.post("/sessions", form)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].partition("#")[0]


def check(page: Page) -> None:
    wrong = {
        "sticks out": max(0, page_checks.sticks_out(page)),
        "small": page_checks.smaller_than_a_thumb(page),
        "axe": page_checks.violations(page),
    }
    assert not {what: found for what, found in wrong.items() if found}


def test_changes_are_read_commented_on_and_mended(
    shared_real_server: Server, repository: Repository, open_phone: Open
) -> None:
    phone = open_phone(shared_real_server, has_touch=True, is_mobile=True)
    page = phone.page
    phone.open_session(begin(shared_real_server, repository.folder))
    expect(page.locator(".block-text").last).to_have_text("Planted.")
    link = page.get_by_role("link", name="1 changed file")
    expect(link).to_be_visible()
    link.tap()

    files = page.locator("details.file")
    expect(files).to_have_count(1)
    files.locator("summary").first.tap()
    lines = page.locator(".diff > span")
    expect(lines).to_have_count(3)
    check(page)

    # Live: a file that appears while the page is read, which stays as it is
    repository.write("app.txt", "two\n")
    expect(files).to_have_count(2)
    expect(lines).to_have_count(3)

    page.get_by_text("Comment on lines").first.tap()
    select = page.locator(".comment-new select").first
    assert select.evaluate("e => e.getBoundingClientRect().width") > 110, "its words are cut"
    page.get_by_text("Comment on lines").first.tap()

    lines.nth(1).tap()
    lines.nth(2).tap()
    page.get_by_role("button", name="Comment: Lines 2–3").tap()
    page.locator(".picked-form textarea").fill("Trees are two high.")
    check(page)
    add = page.get_by_role("button", name="Add comment")
    page.route(
        re.compile("/changes/comments"),
        lambda route: route.fulfill(body="<p>Log in to the hotel</p>"),
    )
    add.tap()
    expect(page.locator("form .error-note")).to_contain_text("the server does not answer")
    expect(page.locator(".picked-form textarea")).to_have_value("Trees are two high.")
    expect(page.get_by_text("hotel")).to_have_count(0)
    page.unroute(re.compile("/changes/comments"))
    add.tap()
    expect(page.locator(".comment")).to_contain_text("Lines 2–3 Not sent yet")
    expect(page.locator(".picked-form")).to_have_count(0)
    expect(page.locator(".error-note")).to_have_count(0)
    check(page)

    page.get_by_role("button", name="Send 1 to Claude").tap()
    expect(page.locator(".block-text").last).to_have_text("Mended.")
    page.get_by_role("link", name="2 changed files").tap()
    onward = page.get_by_role("button", name="Next change")
    expect(files).to_have_count(2)
    expect(onward).to_be_hidden()  # all rows are in view, and it would lie over them
    files.locator("summary").first.tap()
    expect(onward).to_be_visible()
    page.get_by_role("link", name="1 comment").tap()
    expect(page.locator(".comment")).to_contain_text("✓ Addressed")
    check(page)


def test_without_javascript_links_and_forms_do_the_same(
    shared_real_server: Server, repository: Repository, open_phone: Open
) -> None:
    phone = open_phone(shared_real_server, java_script_enabled=False)
    page, address = phone.page, begin(shared_real_server, repository.folder)
    repository.write("app.txt", "one\ntwo\n")
    page.goto(f"{address}/changes?base=commit")
    page.locator("summary", has_text="app.txt").click()
    page.locator("details[open]").get_by_role("link", name="Open the diff").click()
    page.get_by_text("Comment on lines").click()
    page.get_by_label("From line").fill("2")
    page.get_by_label("Comment", exact=True).fill("Why two?")
    page.get_by_role("button", name="Add comment").click()
    expect(page.locator(".comment")).to_contain_text("Line 2 Not sent yet")
    page.get_by_role("button", name="Mark as viewed").click()
    expect(page.locator(".changes-sum")).to_contain_text("1 viewed")
    page.get_by_role("link", name="Back to the session").click()
    expect(page).to_have_url(re.compile(f"{re.escape(address)}$"))
