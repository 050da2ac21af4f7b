"""Files that are chosen before the page's scripts are there, and files that are refused."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Locator, Route, expect

from tests.support.environment import Sandbox, until
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

GOOD = FilePayload(name="good.txt", mimeType="text/plain", buffer=b"fine")
EMPTY = FilePayload(name="empty.txt", mimeType="text/plain", buffer=b"")
LARGE = FilePayload(name="large.bin", mimeType="x/y", buffer=b"x" * 101)


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    return server.sandbox


@pytest.fixture
def phone(kept_phone: Phone) -> Phone:
    return kept_phone


class Held:
    """The script of the composer, which does not arrive until it is released."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._routes: list[Route] = []
        self._open = threading.Event()
        phone.page.route(re.compile(r"/(new|later)\.bundle"), self._take)

    def _take(self, route: Route) -> None:
        if self._open.is_set():
            route.continue_()
        else:
            self._routes.append(route)

    def release(self) -> None:
        until(lambda: self._phone.page.evaluate("1") and self._routes, "the script is asked for")
        self._open.set()
        for route in self._routes:
            route.continue_()


def picker(phone: Phone) -> Locator:
    return phone.page.get_by_label("Attach images or files")


def chips(phone: Phone) -> Locator:
    return phone.page.locator("#attached li")


def answered(phone: Phone, *texts: str) -> None:
    said = phone.page.locator(".block-text").last
    for text in texts:
        expect(said).to_contain_text(text)


def begin(phone: Phone, sandbox: Sandbox) -> None:
    """A session of the stand-in, which repeats what it is sent."""
    phone.begin(sandbox.project, "Hello")
    answered(phone, "Hello")


def limit(phone: Phone) -> None:
    """A small limit of the page's own, so that no test sends megabytes."""
    picker(phone).evaluate("input => { input.dataset.most = 100; }")


def test_large_files_among_others_are_left_out_before_and_after_the_script_is_there(
    phone: Phone, sandbox: Sandbox
) -> None:
    begin(phone, sandbox)
    held = Held(phone)
    phone.page.reload(wait_until="commit")
    limit(phone)
    picker(phone).set_input_files([LARGE, GOOD])
    held.release()
    expect(phone.page.locator("#flash")).to_contain_text("“large.bin” is too large.")
    expect(chips(phone)).to_have_text(["good.txt×"])
    assert picker(phone).evaluate("input => input.files.length") == 0
    phone.send("read it")
    answered(phone, "read it", "good.txt")
    expect(chips(phone)).to_have_count(0)

    second = FilePayload(name="second.bin", mimeType="x/y", buffer=b"y" * 200)
    picker(phone).set_input_files([LARGE, GOOD, second])
    expect(phone.page.locator("#flash")).to_contain_text("“large.bin”, “second.bin” are too large.")
    expect(chips(phone)).to_have_text(["good.txt×"])


def test_refused_file_on_the_new_session_page_does_not_block_send(
    phone: Phone, sandbox: Sandbox
) -> None:
    phone.forgiven.append("422")
    held = Held(phone)
    phone.page.goto(f"/new?folder={sandbox.project}", wait_until="commit")
    picker(phone).set_input_files([GOOD, EMPTY])
    held.release()
    expect(phone.page.locator("#flash")).to_contain_text("“empty.txt” is empty.")
    expect(chips(phone)).to_have_text(["good.txt×"])
    phone.send("read it")
    answered(phone, "read it", "good.txt")


def test_upload_before_the_script_loads_keeps_the_prompt(phone: Phone, sandbox: Sandbox) -> None:
    begin(phone, sandbox)
    phone.forgiven.append("422")
    Held(phone)
    phone.page.reload(wait_until="commit")
    phone.page.get_by_role("textbox", name="Prompt").fill("read it")
    picker(phone).set_input_files([GOOD, EMPTY])
    phone.button("Send").click(no_wait_after=True)
    expect(phone.page.get_by_text("“empty.txt” is empty.")).to_be_visible()
    phone.page.unroute_all()
    phone.page.get_by_role("link", name="Back to the page").click()
    expect(phone.page.get_by_role("textbox", name="Prompt")).to_have_value("read it")
    expect(chips(phone)).to_have_text(["good.txt×"])
    phone.button("Send").click()
    answered(phone, "read it", "good.txt")


def test_without_scripts_a_refused_file_costs_no_words(
    server: Server, sandbox: Sandbox, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server, java_script_enabled=False)
    phone.forgiven.append("422")
    phone.page.goto(f"/new?folder={sandbox.project}")
    picker(phone).set_input_files([EMPTY, GOOD])
    phone.send("read it")
    expect(phone.page.get_by_role("alert").first).to_have_text("“empty.txt” is empty.")
    box = phone.page.get_by_role("textbox", name="Prompt")
    expect(box).to_have_value("read it")
    box.fill("read it twice")
    phone.button("Remove good.txt").click()
    expect(phone.button("Remove good.txt")).to_have_count(0)
    expect(box).to_have_value("read it twice")
    picker(phone).set_input_files([GOOD])
    phone.button("Send").click()
    phone.page.wait_for_url("**/sessions/**")
    phone.reload_until(phone.page.locator(".block-prompt").count, "it is sent")
    expect(phone.page.locator(".block-prompt")).to_contain_text("good.txt")
