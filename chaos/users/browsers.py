"""A session's page in a real browser, which follows the session through all faults."""

from __future__ import annotations

import re
import threading
import time
import traceback

from playwright.sync_api import Error, Page

from chaos.counts import Counts
from chaos.server.environment import ServerUnderTest
from chaos.users.clients import RESTART_SECONDS
from scripts import chromium
from tests.support.pages.browser import CUT_OFF, Phone, launched

QUIET_SECONDS = 15.0
LOOK_SECONDS = 0.3
BLOCKS = """() => [...document.getElementById("transcript").children]
    .filter(block => block.id !== "new-since").map(block => block.outerHTML)"""
AROUND = """() => ["status", "queue", "errors", "todos", "stop", "needs", "usage", "cursor"]
    .map(id => document.getElementById(id)?.outerHTML ?? "")"""
LEFT_BY_HTMX = re.compile(
    r' (data-htmx-powered="true"|hx-swap-oob="true"|open=""|data-now="[^"]*")'
)


def is_there() -> bool:
    """Whether this machine has Chromium."""
    return chromium.find() is not None


class BrowserPage:
    """Chromium in a thread of its own, as Playwright requires."""

    def __init__(self, server: ServerUnderTest, path: str) -> None:
        self.counts = Counts()
        self.complaints: list[str] = []
        self.faults: list[str] = []
        """Differences from a freshly loaded page, once `judge` has been called."""
        self._server = server
        self._path = path
        self._judge = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"browser at {path}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def judge(self) -> None:
        """Compare once no more updates arrive, then close."""
        self._judge.set()
        if self._thread.ident is None:
            self.complaints.append(f"{self._thread.name} was never opened")
            return
        self._thread.join(300)
        if self._thread.is_alive():
            self.complaints.append(f"{self._thread.name} hangs")

    def _run(self) -> None:
        try:
            with launched() as browser:
                phone, fresh = Phone(browser, self._server), Phone(browser, self._server)
                for each in (phone, fresh):
                    each.forgiven += CUT_OFF
                self._open(phone.page)
                self.counts.browsers += 1
                while not self._judge.is_set():
                    phone.page.wait_for_timeout(1000 * LOOK_SECONDS)
                self._compare(phone.page, fresh.page)
                for each in (phone, fresh):
                    each.close()
        except Exception:
            self.complaints.append(f"{self._thread.name}:\n{traceback.format_exc(limit=-4)}")

    def _open(self, page: Page) -> None:
        while True:
            self._server.up.wait(RESTART_SECONDS)
            try:
                page.goto(self._path)
                return
            except Error as error:
                if not any(words in str(error) for words in ("ERR_CONNECTION", "ERR_EMPTY")):
                    raise
                page.wait_for_timeout(1000 * LOOK_SECONDS)

    def _compare(self, page: Page, fresh: Page) -> None:
        """The fresh page shows the newest blocks; the page that followed may have earlier ones."""
        before, since = "", time.monotonic()
        while True:
            shown, around = _contents(page, BLOCKS), _contents(page, AROUND)
            self._open(fresh)
            wanted, wanted_around = _contents(fresh, BLOCKS), _contents(fresh, AROUND)
            newest = shown[len(shown) - len(wanted) :]
            pairs = zip([*wanted, *wanted_around], [*newest, *around], strict=False)
            different = [(a, b) for a, b in pairs if a != b]
            if not different and len(newest) == len(wanted):
                return
            if str(shown) != before:
                before, since = str(shown), time.monotonic()
            if time.monotonic() - since > QUIET_SECONDS:
                difference = (
                    f"{len(shown)} blocks, {len(wanted)} in the fresh page; {different[:2]}"
                )
                self.faults.append(f"{self._thread.name}: {difference[:1500]}")
                return
            page.wait_for_timeout(1000 * LOOK_SECONDS)


def _contents(page: Page, what: str) -> list[str]:
    found: list[str] = page.evaluate(what)
    return [LEFT_BY_HTMX.sub("", html).replace(' class=""', "") for html in found]
