"""From 1100 px the sessions of the project stand beside a session."""

from __future__ import annotations

import json
import uuid

import pytest
from playwright.sync_api import Page, expect

from opcode_htmx.engines.claude.files.history import project_id
from tests.support.clients import api
from tests.support.pages import dom, page_checks
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PANE = "Sessions of this project"


@pytest.fixture(scope="module")
def addresses(shared_server: Server) -> list[str]:
    """The pages of two sessions of a project."""
    sandbox = shared_server.sandbox.with_own_project()
    found = []
    for words in ("Prune the trees", "Water the trees"):
        session, entry = str(uuid.uuid4()), json.loads(api.prompt(words, sandbox.project))
        entry |= {"uuid": str(uuid.uuid4()), "parentUuid": None, "sessionId": session}
        api.session(sandbox.config_dir, sandbox.project, api.line(entry), session)
        found.append(f"/projects/{project_id(sandbox.project)}/sessions/{session}")
    return found


def requested(page: Page) -> list[str]:
    """The addresses of lists that the page asks for from now on."""
    made: list[str] = []
    page.on("request", lambda each: made.append(each.url) if "/others" in each.url else None)
    return made


def test_a_wide_screen_shows_both(kept_phone: Phone, addresses: list[str]) -> None:
    page = kept_phone.page
    page.set_viewport_size({"width": 1100, "height": 700})
    page.goto(addresses[0])
    pane = page.get_by_role("complementary", name=PANE)
    current = pane.locator("[aria-current=page]")
    expect(current).to_contain_text("Prune the trees")
    assert page_checks.violations(page) == []
    assert page_checks.smaller_than_a_thumb(page) == []
    assert page_checks.sticks_out(page) <= 0
    edge = pane.bounding_box()
    assert edge
    for part in (".topbar", "#transcript", "#dock"):
        box = page.locator(part).bounding_box()
        assert box
        assert box["x"] >= edge["x"] + edge["width"], part
    pane.get_by_role("link", name="Water the trees").click()
    expect(current).to_contain_text("Water the trees")
    expect(page.locator("h1")).to_have_text("Water the trees")


def test_a_phone_does_not_load_the_list(kept_phone: Phone, addresses: list[str]) -> None:
    phone = kept_phone
    made = requested(phone.page)
    phone.page.goto(addresses[0])
    phone.page.locator("body[data-link=online]").wait_for()
    expect(phone.page.get_by_role("complementary", name=PANE)).to_have_count(0)
    assert made == []
    phone.page.set_viewport_size({"width": 1280, "height": 800})
    expect(phone.page.get_by_role("complementary", name=PANE)).to_contain_text("Prune the trees")
    assert len(made) == 1


def test_without_scripts_a_link_leads_to_the_list(
    shared_server: Server, addresses: list[str]
) -> None:
    page = dom.parse(shared_server.get(addresses[0]).text)
    (pane,) = (each for each in page.walk() if each.attributes.get("aria-label") == PANE)
    (link,) = (each for each in pane.walk() if each.tag == "a")
    assert link.text == "All sessions of this project"
    assert "Water the trees" in shared_server.get(link.attributes["href"] or "").text
