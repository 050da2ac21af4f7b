"""A session's offers, its later prompts and its pauses on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Scope, Standing
from tests.features.schedules.limits import begin, reach_limit, until_reset
from tests.support.pages import page_checks, screenshots
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = pytest.mark.browser

SCHEMES: dict[Literal["light", "dark"], list[str]] = {"light": [], "dark": ["color-contrast"]}
"""With the rules of axe that can differ from the first; none: all."""

LETTERS = "size => { document.documentElement.style.fontSize = size; }"
WIDTH = "() => document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def phone_of_all(shared_server: Server, browser: Browser) -> Iterator[Phone]:
    with closing(Phone(browser, shared_server, **screenshots.PHONE)) as phone:
        yield phone


@pytest.fixture
def phone(phone_of_all: Phone) -> Iterator[Phone]:
    """One for all tests, with a finger in place of a mouse."""
    yield phone_of_all
    phone_of_all.hand_on()


def pictured(page: Page, name: str, server: Server) -> None:
    """Takes pictures of a page that tests/app/pages looks at."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        screenshots.take(page, f"{name}-{scheme}", server.sandbox)


def checked(page: Page, name: str, server: Server) -> None:
    """The page is well made at 320 px, in light and dark; takes its pictures at 390, too."""
    page.set_viewport_size({"width": 320, "height": 844})
    wrong: dict[str, object] = page_checks.misfits(page)
    page.evaluate(LETTERS, "200%")
    # a phone widens the page for what sticks out
    wrong["wider in large letters"] = max(0, page.evaluate(WIDTH) - 320)
    page.evaluate(LETTERS, "")
    page.set_viewport_size({"width": 390, "height": 844})
    for scheme, rules in SCHEMES.items():
        page.emulate_media(color_scheme=scheme)
        wrong[f"axe, {scheme}"] = page_checks.violations(page, *rules)
    pictured(page, name, server)
    assert not {what: found for what, found in wrong.items() if found}


def test_the_offer_after_a_limit_is_accepted_and_cancelled(
    shared_server: Server, phone: Phone
) -> None:
    phone.open_session(reach_limit(shared_server, until_reset()))
    offer = phone.page.get_by_role("button", name=re.compile("^Go on "))
    expect(offer).to_be_visible()
    checked(phone.page, "limit-offer", shared_server)
    offer.click()
    expect(phone.page.locator("#later")).to_contain_text("Goes on ")
    expect(offer).to_have_count(0)
    phone.button("Cancel").click()
    expect(offer).to_be_visible()


def test_a_prompt_is_sent_later_from_the_menu_and_taken_back(
    shared_server: Server, phone: Phone
) -> None:
    page, address = phone.page, begin(shared_server, "water the trees")
    phone.open_session(address)
    page.get_by_role("textbox", name="Prompt").fill("Run the tests")
    phone.button("Session menu").click()
    phone.button("Send later…").click()
    page.wait_for_url("**/later")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("Run the tests")
    page.get_by_label("Date and time").fill("2090-01-01T07:00")
    pictured(page, "send-later", shared_server)
    phone.button("Send later").click()
    page.wait_for_url(re.compile(f"{re.escape(address)}(#|$)"))
    expect(page.locator("#later")).to_contain_text("Sends on Sun 1 Jan 2090 07:00 Run the tests")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("")
    pictured(page, "later-planned", shared_server)
    phone.button("Cancel").click()
    expect(page.locator("#later")).to_be_empty()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("Run the tests")


def test_a_session_that_a_budget_has_paused_asks_and_goes_on(
    shared_server: Server, phone: Phone
) -> None:
    address = begin(shared_server, "water the trees")
    book = BudgetBook(shared_server.sandbox.state)
    book.set_hold(address.rpartition("/")[2], "1" * 32, Standing(Scope.RUN, 2.04, 2.0))
    phone.open_session(address)
    card = phone.page.get_by_role("region", name="Paused by a budget")
    expect(card).to_contain_text("Paused: the $2.00 for this run is used up. $2.04 so far.")
    checked(phone.page, "budget-paused", shared_server)
    phone.button("Go on with $2.00 more").click()
    expect(card).to_have_count(0)
    went_on = phone.transcript.get_by_text("Go on where you left off.").first
    expect(went_on).to_be_visible()


def test_a_schedule_is_made_by_its_form_which_shows_the_fields_of_what_is_chosen(
    shared_server: Server, phone: Phone
) -> None:
    """Its buttons, and all of it without scripts: see test_form.py."""
    phone.forgiven.append("422")
    page = phone.page
    page.goto("/schedules/new")
    page.get_by_role("textbox", name="Prompt").fill("Look at the open issues")
    page.get_by_label("Its path").fill(str(shared_server.sandbox.project))
    page.get_by_label("On certain days").check()
    expect(page.get_by_label("Date and time")).to_be_hidden()
    expect(page.get_by_label("Fri")).to_be_checked()
    expect(page.get_by_label("Sat")).not_to_be_checked()
    page.get_by_label("Cron", exact=True).check()
    expect(page.get_by_label("Sat")).to_be_hidden()
    page.get_by_label("Cron expression").fill("0 7 * *")
    phone.button("Save").click()
    expect(page.get_by_role("alert")).to_contain_text("five fields")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("Look at the open issues")
    page.get_by_label("Cron expression").fill("0 7 * * MON-FRI")
    phone.button("Show the next five times").click()
    expect(page.get_by_role("status").locator("li")).to_have_count(5)
    phone.button("Save").click()
    expect(page.get_by_text("At 07:00 on Monday through Friday")).to_be_visible()
