"""Every control of the start page and storage, on phones of two sizes.

All, None, tags, archive and undo of the select mode: see session_admin/test_selected_in_browser.py.
Words that go to Options and come back: see start_page/test_prompt.py.
"""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest
from playwright.sync_api import Browser, Locator, ViewportSize, expect

from tests.support.cli.supervision import FOREVER
from tests.support.clients import api
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import misfits
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

DAY = 86400.0
SIZES: tuple[ViewportSize, ...] = (
    {"width": 360, "height": 740},
    {"width": 390, "height": 844},
)
NUMBERS = count(10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, integration: None) -> Iterator[Server]:
    sandbox = Sandbox(tmp_path_factory.mktemp("controls") / "home").make()
    claude = write_stand_in(tmp_path_factory.mktemp("bin") / "claude")
    started = Server(sandbox, claude, "http://127.0.0.1:9").start()
    try:
        yield started
    finally:
        started.close()


class Walk:
    """A phone, and projects and sessions that no other walk has."""

    def __init__(self, server: Server, phone: Phone, name: str) -> None:
        self.server, self.phone, self.page, self.name = server, phone, phone.page, name
        self.folders = [server.sandbox.project.with_name(f"{name}-{each}") for each in "ab"]
        for folder in self.folders:
            folder.mkdir()

    def settled(self) -> None:
        """Controls that have just moved can be pressed again."""
        expect(self.page.locator("main > [data-held]")).to_have_count(0)

    def open_menu(self, row: Locator) -> None:
        """Again if the rows have just moved, when they take no press."""

        def opens() -> bool:
            row.get_by_role("button", name="Session menu").click()
            return row.get_by_role("link", name="What it uses").is_visible()

        until(opens, "its menu is open")

    def session(self, title: str, days: float, folder: int = 0, size: int = 0) -> None:
        at, path = time.time() - days * DAY, self.folders[folder]
        text = api.prompt(title, path, at) + api.line({"type": "padding", "text": "x" * size})
        file = api.session(self.server.sandbox.config_dir, path, text)
        os.utime(file, (at, at))

    def begin(self, *steps: object) -> None:
        ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
        form = {"folder": str(self.folders[0]), "prompt": json.dumps(steps), **ids}
        assert self.server.post("/sessions", form).status_code == 303

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.fits()

    def fits(self) -> None:
        """On both phones, last on the one that is pressed on."""
        for size in SIZES:
            self.page.set_viewport_size(size)
            assert misfits(self.page) == {}, size

    def has_link(self, name: str, address: str) -> None:
        """The page that is open has a link to an address."""
        link = self.page.get_by_role("link", name=name, exact=True).first
        expect(link).to_be_visible()
        expect(link).to_have_attribute("href", re.compile(address))

    def select(self) -> None:
        """Begin to select on the start page, which is open."""
        self.page.get_by_role("link", name="Select", exact=True).click()
        self.page.wait_for_url("**/?select=1")

    def act(self, action: str, says: str, *titles: str) -> None:
        """Do something to sessions that are selected on the start page, which is open."""
        self.select()
        for title in titles:
            self.page.get_by_label(title).check()
        self.fits()  # the bars differ
        bar = self.page.get_by_role("group", name="With the selected sessions")
        bar.get_by_role("button", name=action, exact=True).click()
        expect(self.page.get_by_text(says)).to_be_visible()


@pytest.fixture(scope="module")
def phone_of_all(server: Server, browser: Browser) -> Iterator[Phone]:
    with closing(Phone(browser, server)) as phone:
        yield phone


@pytest.fixture
def walk(server: Server, phone_of_all: Phone) -> Iterator[Walk]:
    """On the larger phone; what is shown fits on both."""
    yield Walk(server, phone_of_all, f"walk{next(NUMBERS)}")
    phone_of_all.hand_on()


def test_every_control_of_the_start_page(walk: Walk) -> None:
    page, name = walk.page, walk.name
    walk.session(f"{name} prune", 0.1)
    walk.session(f"{name} water", 0.2, folder=1)
    walk.begin(["text", "Denied?"], ["ask", f"{name}-deny"], FOREVER)
    walk.begin(["text", f"{name} works"], FOREVER)
    until(lambda: f"{name}-deny" in walk.server.get("/").text, "it asks")
    walk.open("/")
    page.get_by_role("searchbox").fill("pears")
    walk.phone.button("Search").click()
    page.wait_for_url("**/search?q=pears")
    page.go_back()
    walk.has_link(f"{name}-b", "/projects/[^/]*$")
    walk.has_link("All projects", "/projects$")
    page.locator("#recent").get_by_text(f"{name} water").click()
    page.wait_for_url("**/sessions/**")
    page.go_back()

    asking = page.locator("#needs-you .run", has_text=f"{name}-deny")
    asking.get_by_role("button", name="Deny").click()
    expect(page.locator("#needs-you .run", has_text=f"{name}-deny")).to_have_count(0)
    walk.settled()
    working = page.locator("#running .run", has_text=f"{name} works")
    walk.open_menu(working)
    walk.fits()
    expect(working.get_by_role("link", name="What it uses")).to_be_visible()
    working.get_by_role("button", name="Close").click()
    expect(working.get_by_role("button", name="Stop")).to_be_hidden()
    walk.settled()
    walk.open_menu(working)
    working.get_by_role("button", name="Stop").click()
    expect(page.locator("#running .run", has_text=f"{name} works")).to_have_count(0)

    field = page.get_by_role("textbox", name="New session: prompt")
    field.fill(f"Dig for {name}")
    page.get_by_role("combobox", name="Project").select_option(f"{name}-b")
    walk.phone.button("Options").click()
    page.wait_for_url("**/new")
    expect(page.get_by_role("button", name="Project:")).to_contain_text(f"{name}-b")
    walk.phone.button("Send").click()
    page.wait_for_url(f"**/*{name}-b/sessions/**")


def test_sessions_of_the_start_page_are_selected(walk: Walk) -> None:
    page, one, two = walk.page, f"{walk.name} mow", f"{walk.name} rake"
    walk.session(one, 0.1)
    walk.session(two, 0.2, folder=1)
    third = f"{walk.name} dig"
    walk.session(third, 0.5)  # one that is never pinned, below which one selects
    walk.open("/")
    walk.act("Pin", "2 sessions pinned.", one, two)
    expect(page.locator("#pinned .run", has_text=walk.name)).to_have_count(2)
    walk.act("Delete", f"Deleted “{third}”", third)
    expect(walk.phone.button("Undo")).to_be_visible()
    walk.select()
    page.get_by_role("link", name="Select no more").click()
    page.wait_for_url(f"{walk.server.url}/")


def test_every_control_of_storage(walk: Walk) -> None:
    page, name = walk.page, walk.name
    walk.session(f"{name} plough", 400, size=90_000)
    walk.session(f"{name} reap", 300, size=80_000)
    walk.session(f"{name} thresh", 300, folder=1, size=70_000)

    def open_counted(address: str, having: str) -> None:
        """A page with something of this walk: not every load counts anew."""
        until(lambda: having in walk.server.get(address).text, f"{having} is counted")
        page.goto(address)

    open_counted("/storage", f"{name} thresh")
    walk.fits()
    walk.has_link("90 days", r"clean-up\?days=90")
    page.locator("#projects + ul summary", has_text=f"{name}-a").click()
    page.locator("#projects + ul").get_by_role("link", name=f"{name} plough").click()
    page.wait_for_url("**/sessions/**")  # open here within the hour: it stays
    for age in ("180 days", "90 days"):
        open_counted("/storage/clean-up?days=90", f"{name} thresh")
        with page.expect_navigation():  # the page before may be that of this age, too
            page.get_by_role("link", name=age).click()
        expect(page.get_by_role("link", name=age)).to_have_attribute("aria-current", "page")
        expect(page.get_by_text("Counting…")).to_have_count(0)
    for folder in "ab":
        page.locator("summary", has_text=f"{name}-{folder}").click()
    walk.fits()
    expect(page.get_by_label(f"{name} plough")).to_have_count(0)
    page.get_by_label(f"{name} thresh").uncheck()
    expect(walk.phone.button("Move 1 session to the trash")).to_be_enabled()
    page.get_by_label(f"{name} thresh").check()
    expect(walk.phone.button("Move 2 sessions to the trash")).to_be_enabled()
    page.locator("#go").click()
    expect(page.get_by_text("Deleted 2 sessions.")).to_be_visible()
    walk.fits()
    row = page.locator("li", has_text=f"{name} thresh")
    expect(row.get_by_role("button", name="Restore")).to_be_visible()
    page.locator("summary", has_text="Empty the trash").click()
    walk.phone.button("Delete for good").click()
    expect(page.get_by_text("The trash is empty.")).to_be_visible()
