"""The arrow of a session's page leads to the list that the person came from, at its place."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.transcript.conversation.window import FIRST
from tests.features.session_page.in_browser import long_session
from tests.support.clients import api
from tests.support.environment import PASSWORD, USER, Sandbox, until
from tests.support.pages.browser import Phone
from tests.support.server import Server

SESSION = "11111111-1111-4111-8111-111111111111"
OTHERS = 40


@pytest.fixture(scope="module")
def home_project(shared_home: Sandbox) -> str:
    """The page of a project with one session."""
    folder = shared_home.project
    api.session(shared_home.config_dir, folder, api.prompt("plum tree", folder), SESSION)
    return f"/projects/{project_id(folder)}"


@pytest.fixture
def client(shared_app: Flask) -> FlaskClient:
    return shared_app.test_client()


def back(client: FlaskClient, address: str, referer: str = "") -> str:
    """The address behind the arrow, for a person who came from `referer`."""
    headers = {"Referer": referer if "//" in referer else f"http://localhost{referer}"}
    answer = client.get(address, auth=(USER, PASSWORD), headers=headers if referer else {})
    assert answer.status_code == 200
    link = re.search(r'<a class="back" href="([^"]*)" aria-label="([^"]+)"', answer.text)
    assert link
    return link[1]


def test_it_leads_to_the_list_one_came_from_also_after_the_pages_own_forms(
    client: FlaskClient, home_project: str
) -> None:
    project = home_project
    page = f"{project}/sessions/{SESSION}"
    assert back(client, page) == project
    for came_from in ("/runs", "/", f"{project}?x=1"):
        assert back(client, page, came_from) == came_from
        assert back(client, page, page) == came_from, "loaded again, or after Rename"
        assert back(client, page, f"{page}/blocks/x/share") == came_from
    found = f"{page}/search?q=plum"
    assert back(client, f"{page}?from=x", found) == found
    assert back(client, page, found) == f"{project}?x=1", "not to and fro for ever"
    assert back(client, page, "/new") == project
    assert back(client, page, page) == project


@pytest.mark.parametrize(
    "referer",
    [
        "http://evil.example/runs",
        "http://localhost:8081/runs",
        "http://localhost//evil.example/runs",
        "http://localhost/runs/badge",
        "http://localhost/logins",
        "http://localhost/nowhere",
        "http://localhost/projects/x/sessions/y",
        "http://[/runs",
        "javascript:alert(1)//runs",
        f"http://localhost/runs?{'x' * 1000}",
    ],
)
def test_it_leads_to_lists_of_this_server_only(
    client: FlaskClient, home_project: str, referer: str
) -> None:
    project = home_project
    page = f"{project}/sessions/{SESSION}"
    assert back(client, page, referer) == project
    client.set_cookie("came_from", quote(referer.removeprefix("http://localhost"), safe=""))
    assert back(client, page, page) == project


# In the browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oldest(shared_server: Server) -> str:
    """The page of a long session, the oldest of a project with a long list."""
    sandbox = shared_server.sandbox.with_own_project()
    folder = sandbox.project
    address = long_session.write(sandbox, FIRST + 10)
    (file,) = sandbox.config_dir.rglob(f"{address.rpartition('/')[2]}.jsonl")
    os.utime(file, (1, 1))
    for number in range(OTHERS):
        name = f"22222222-2222-4222-8222-{number:012}"
        api.session(sandbox.config_dir, folder, api.prompt(f"number {number}", folder), name)
    return address


@pytest.fixture
def project(oldest: str) -> str:
    """The page of its project."""
    return oldest.partition("/sessions/")[0]


def arrow(page: Page) -> None:
    page.locator("a.back").click()


@pytest.mark.browser
def test_the_arrow_goes_back_through_the_lists_that_one_came_through(
    kept_phone: Phone, project: str, oldest: str
) -> None:
    page = kept_phone.page
    loaded = page.locator("body[data-link=online]")
    page.goto(project)
    row = page.locator(f"a.row[href*='{oldest}']")
    page.evaluate("scrollTo(0, document.scrollingElement.scrollHeight)")
    place = page.evaluate("scrollY")
    row.click()
    page.wait_for_url("**#end")
    page.goto(f"{page.url.partition('#')[0]}#b-prompt-{FIRST + 3}")  # a place in the page
    page.get_by_label("Session menu").click()
    page.get_by_label("Search in this session").fill("prompt 7.")
    page.get_by_label("Search in this session").press("Enter")
    page.locator("a.row").click()
    page.wait_for_url("**hit=prompt-7**#found")
    loaded.wait_for()
    expect(page.locator("#b-prompt-7")).to_be_in_viewport()
    arrow(page)
    page.wait_for_url("**/search?q=prompt+7.")
    arrow(page)
    loaded.wait_for()
    arrow(page)
    page.wait_for_url(f"**{project}")
    assert place > 0
    until(
        lambda: page.evaluate("scrollY") == place,
        "the list is at its place",
        sleep=lambda: page.wait_for_timeout(20),
    )
    arrow(page)
    expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()


@pytest.mark.browser
def test_a_link_that_was_opened_directly_leads_to_its_project(
    kept_phone: Phone, project: str, oldest: str
) -> None:
    page = kept_phone.page
    page.goto("/runs")
    page.goto(f"{oldest}#end")
    page.locator("body[data-link=online]").wait_for()
    arrow(page)
    page.wait_for_url(f"**{project}")
