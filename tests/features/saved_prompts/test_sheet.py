"""The sheet over a composer: it lists while one types, inserts at the cursor, and sends nothing.

The page in its place without scripts: see test_pages.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Route, expect

from opcode_htmx.engines.claude.files import history
from opcode_htmx.features.saved_prompts.service import PromptLibrary
from tests.features.composer.in_browser.page import box, kept
from tests.support.clients import api
from tests.support.environment import USER, Sandbox, state_dir, until
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.pages.thumb import Thumb
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SESSION = "5e551000-0000-4000-8000-000000000001"
SIZES = ((360, 740), (390, 420), (844, 390), (1280, 800))
OF_OTHER_COMPOSER = SIZES[2:3]
"""Its sheet is the same; what lies around it differs."""


@pytest.fixture
def sandbox(shared_server: Server) -> Sandbox:
    """With a project for one test, and no sessions, drafts and prompts of another one."""
    found = shared_server.sandbox
    found.empty_config()
    for name in ("drafts", "saved_prompts"):
        for each in (found.state / name).glob("*"):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    return found.with_own_project()


@pytest.fixture
def library(sandbox: Sandbox) -> PromptLibrary:
    """With two prompts; and a session of the project with an earlier one."""
    said = [api.prompt(text, sandbox.project) for text in ("Prune the pears", "Dig")]
    api.session(sandbox.config_dir, sandbox.project, "".join(said), SESSION)
    library = PromptLibrary(state_dir(sandbox.state).folder("saved_prompts"))
    library.add(USER, "Water the trees\nin the evening", "Summer")
    library.add(USER, "Pick the pears", folder=str(sandbox.project))
    return library


@pytest.fixture
def server(shared_server: Server, library: PromptLibrary) -> Server:
    return shared_server


@pytest.fixture
def phone(kept_phone: Phone, server: Server) -> Phone:
    """One for all tests that need no other browser, on a server with the prompts of this one."""
    return kept_phone


@pytest.fixture
def session_page(sandbox: Sandbox) -> str:
    return f"/projects/{history.project_id(sandbox.project)}/sessions/{SESSION}"


def rows(phone: Phone) -> Locator:
    return phone.page.locator("#prompt-sheet button.row")


def caret(phone: Phone) -> int:
    return int(box(phone).evaluate("field => field.selectionStart"))


def test_a_prompt_is_found_and_inserted_at_the_cursor_and_the_text_saved_as_another_one(
    phone: Phone, server: Server, session_page: str, library: PromptLibrary
) -> None:
    thumb, page = Thumb(phone), phone.page
    phone.open_session(session_page)
    posted = list[str]()
    page.on("request", lambda each: posted.append(each.url) if each.method == "POST" else None)
    thumb.tap(phone.button("Saved prompts"))
    expect(rows(phone)).to_have_count(4)
    expect(page.get_by_role("button", name="For all projects")).to_be_hidden()
    thumb.tap(rows(phone).first)
    assert thumb.taps == 2
    expect(page.locator("#prompt-sheet")).to_be_hidden()
    expect(box(phone)).to_have_value("Pick the pears")

    # in the middle of a text, which has come meanwhile
    box(phone).fill("First, then rest")
    box(phone).evaluate("field => field.setSelectionRange(6, 6)")
    phone.button("Saved prompts").click()
    page.get_by_label("Search your prompts").press_sequentially("PEARS pr")
    expect(rows(phone)).to_have_count(1)
    page.locator("#prompt-sheet button.row", has_text="Prune the pears").click()
    expect(box(phone)).to_have_value("First, Prune the pears then rest")
    assert caret(phone) == len("First, Prune the pears")
    kept(server, "First, Prune the pears then rest")

    phone.button("Saved prompts").click()
    expect(rows(phone)).to_have_count(4)
    page.get_by_role("button", name="For all projects").click()
    expect(page.locator("#prompt-notice")).to_have_text("Saved.")
    expect(page.get_by_role("button", name="For all projects")).to_be_hidden()
    assert library.all(USER)[0].text == "First, Prune the pears then rest"
    page.keyboard.press("Escape")
    expect(page.locator("#prompt-sheet")).to_be_hidden()
    assert {url.rpartition("/")[2] for url in posted} <= {"draft", "keep", "seen"}
    assert page.locator(".block-prompt").count() == 2


TYPE_AT_ONCE = """() => {
    document.getElementById("prompt-sheet").showPopover();
    const field = document.getElementById("prompt-find");
    field.value = "prune";
    field.dispatchEvent(new Event("input", { bubbles: true }));
}"""


def test_text_typed_before_the_sheet_has_reported_its_opening_is_searched_for(
    phone: Phone, session_page: str
) -> None:
    phone.open_session(session_page)
    phone.button("Saved prompts").click()
    expect(rows(phone)).to_have_count(4)
    phone.page.keyboard.press("Escape")
    expect(phone.page.locator("#prompt-sheet")).to_be_hidden()
    phone.page.evaluate(TYPE_AT_ONCE)
    expect(rows(phone)).to_have_count(1)
    expect(phone.page.get_by_label("Search your prompts")).to_have_value("prune")


def test_it_fits_every_screen_and_takes_no_space_from_the_text(
    phone: Phone, session_page: str
) -> None:
    page = phone.page
    opener, dock = page.locator(".library"), page.locator("#dock")
    wrong = dict[str, object]()
    for address in (session_page, "/new"):
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(address)
        page.wait_for_load_state("networkidle")
        expect(phone.button("Dictate")).to_be_visible()  # which changes the text's width
        for width, height in SIZES if address == session_page else OF_OTHER_COMPOSER:
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate("document.activeElement.blur()")
            name = f"{address[:4]} {width}x{height}"
            if address == session_page:
                tall, wide = dock.bounding_box(), box(phone).bounding_box()
                opener.evaluate("button => button.style.display = 'none'")
                without = dock.bounding_box(), box(phone).bounding_box()
                opener.evaluate("button => button.style.display = ''")
                assert (tall, wide) == without, name
            opener.click()
            expect(rows(phone).first).to_be_visible()
            wrong[f"sticks out, {name}"] = max(0, page_checks.sticks_out(page))
            wrong[f"smaller than a thumb, {name}"] = page_checks.smaller_than_a_thumb(page)
            if (width, height) == SIZES[0] and address == session_page:
                page.emulate_media(color_scheme="light")
                wrong[f"axe, {name}"] = page_checks.violations(page)
                page.emulate_media(color_scheme="dark")
                wrong[f"axe, {name}, dark"] = page_checks.violations(page, "color-contrast")
            wrong[f"small letters, {name}"] = page_checks.too_small_to_type_in(page)
            close = page.locator("#prompt-sheet").get_by_role("button", name="Close")
            close.click()
            expect(rows(phone).first).to_be_hidden()
    phone.open_session(session_page)
    page.set_viewport_size({"width": 390, "height": 844})
    letters = max(page_checks.LARGE_LETTERS)
    page.evaluate("size => document.documentElement.style.fontSize = `${size}px`", letters)
    wrong |= page_checks.with_letters(page, f"root of {letters} px")
    opener.click()
    expect(rows(phone).first).to_be_visible()
    wrong |= page_checks.with_letters(page, f"root of {letters} px, open")
    expect(page.locator("#prompt-sheet").get_by_role("button", name="Close")).to_be_in_viewport()
    assert {check: found for check, found in wrong.items() if found} == {}


def test_with_the_keyboard_of_a_phone_it_is_beside_the_field_until_something_is_typed(
    open_phone: Callable[..., Phone], server: Server, session_page: str
) -> None:
    low = {"width": 390, "height": 420}
    phone = open_phone(server, viewport=low, has_touch=True, is_mobile=True)
    page = phone.page
    phone.open_session(session_page)
    box(phone).click()
    expect(page.locator("#options-form")).to_be_hidden()
    phone.button("Saved prompts").click()
    expect(rows(phone)).to_have_count(4)  # the script that may move the focus has come
    expect(box(phone)).to_be_focused()  # so that the keyboard stays
    rows(phone).first.click()
    expect(box(phone)).to_have_value("Pick the pears")
    expect(box(phone)).to_be_focused()
    expect(phone.button("Saved prompts")).to_be_hidden()


def test_a_sheet_that_was_opened_before_the_scripts_came_gets_its_list(
    phone: Phone, session_page: str
) -> None:
    page, held = phone.page, list[Route]()
    page.route("**/later.bundle*", lambda route: held.append(route))
    page.goto(session_page, wait_until="domcontentloaded")
    phone.button("Saved prompts").click()
    expect(page.locator("#prompt-sheet")).to_be_visible()
    until(lambda: held, "the script is asked for", sleep=lambda: page.wait_for_timeout(20))
    held[0].continue_()
    expect(rows(phone)).to_have_count(4)
