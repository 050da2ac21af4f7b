"""On a phone: a person reads the changes of a session and comments on their lines.

That Claude then mends them is shown by tests/features/test_whole_way.py; links and forms
without scripts by test_review.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from opcode_htmx.engines.claude.files.history import project_id
from tests.features.changes.conftest import SESSION, Repository, made_repository
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

Open = Callable[..., Phone]
PLANTED = "def plant(tree):\n    tree.height = 1\n    return tree\n"


@pytest.fixture
def repository(shared_server: Server) -> Repository:
    """With a session in which nothing has changed yet."""
    return made_repository(shared_server.sandbox.with_own_project())


def address_of(repository: Repository) -> str:
    return f"/projects/{project_id(repository.folder)}/sessions/{SESSION}"


def check(page: Page) -> None:
    wrong = {
        "sticks out": max(0, page_checks.sticks_out(page)),
        "small": page_checks.smaller_than_a_thumb(page),
        "axe": page_checks.violations(page),
    }
    assert not {what: found for what, found in wrong.items() if found}


def test_changes_are_read_and_commented_on(
    shared_server: Server, repository: Repository, open_phone: Open
) -> None:
    repository.write("plant.py", PLANTED)
    page = open_phone(shared_server, has_touch=True, is_mobile=True).page
    page.goto(address_of(repository))
    link = page.get_by_role("link", name="1 changed file")
    expect(link).to_be_visible()
    link.tap()

    files = page.locator("details.file")
    expect(files).to_have_count(1)
    files.locator("summary").first.tap()
    lines = page.locator(".diff > span")
    expect(lines).to_have_count(3)

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

    page.goto(address_of(repository))
    page.get_by_role("link", name="2 changed files").tap()
    onward = page.get_by_role("button", name="Next change")
    expect(files).to_have_count(2)
    expect(onward).to_be_hidden()  # all rows are in view, and it would lie over them
    files.locator("summary").first.tap()
    expect(onward).to_be_visible()
    page.get_by_role("link", name="1 comment").tap()
    expect(page.locator(".comment")).to_contain_text("Not sent yet")
