"""Commands and files of the project are completed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.features.composer.in_browser.page import answered, begin, box, offered
from tests.support.environment import Sandbox, until
from tests.support.pages.browser import Phone

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_a_slash_lists_claudes_own_commands_and_filters_them(idle_phone: Phone) -> None:
    phone = idle_phone
    box(phone).press_sequentially("/")
    options = offered(phone)
    expect(options.filter(has_text="/compact")).to_have_count(1)
    box(phone).press_sequentially("pru")
    expect(options).to_have_count(1)
    expect(options).to_contain_text("Prune the trees")
    box(phone).press("Enter")
    expect(box(phone)).to_have_value("/prune ")
    expect(phone.page.locator("#completions")).to_be_hidden()
    phone.send("nothing")  # which leaves nothing for the next test
    answered(phone, "You said: nothing")


def completes_what_was_typed_before_the_scripts_came(phone: Phone) -> None:
    page, held = phone.page, list[Route]()
    page.route("**/later.bundle*", lambda route: held.append(route))
    page.reload(wait_until="commit")
    until(lambda: page.title() and held, "the scripts are on their way")
    box(phone).press_sequentially("@juice")
    held[0].continue_()
    expect(offered(phone)).to_have_count(1)
    box(phone).fill("")
    expect(phone.page.locator("#completions")).to_be_hidden()


def test_an_at_sign_completes_files_of_the_project_by_key_and_by_tap(
    phone: Phone, sandbox: Sandbox
) -> None:
    for path in ("src/app.py", "src/apple.py", "docs/grape juice.md"):
        file = sandbox.project / path
        file.parent.mkdir(exist_ok=True)
        file.write_text("x")
    begin(phone, sandbox)
    completes_what_was_typed_before_the_scripts_came(phone)
    options = offered(phone)
    box(phone).press_sequentially("look at @app")
    expect(options).to_have_count(2)
    box(phone).press("ArrowDown")
    active = box(phone).get_attribute("aria-activedescendant")
    expect(phone.page.locator(f"#{active}")).to_contain_text("apple.py")
    box(phone).press("Tab")
    expect(box(phone)).to_have_value("look at @src/apple.py ")
    box(phone).press_sequentially("and @juice")
    expect(options).to_have_count(1)
    options.click()
    expect(box(phone)).to_have_value('look at @src/apple.py and @"docs/grape juice.md" ')
    expect(box(phone)).to_be_focused()
    box(phone).press_sequentially("@ap")
    expect(options.first).to_be_visible()
    box(phone).press("Escape")
    expect(phone.page.locator("#completions")).to_be_hidden()
    box(phone).press_sequentially("p")
    expect(options.first).to_be_visible()
    box(phone).press("Control+Enter")
    expect(box(phone)).to_have_value("")
    expect(phone.page.locator("#completions")).to_be_hidden()
