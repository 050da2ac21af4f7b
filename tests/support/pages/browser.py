"""A phone for the tests: Chromium at a phone's size, and the session page in a person's words."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    expect,
    sync_playwright,
)

from scripts import chromium
from tests.support.environment import PASSWORD, PATIENCE, ROOT, USER, missing, until
from tests.support.server import Server
from tests.support.suite.start_guard import guard

PHONE = {"width": 390, "height": 844}
CALM, MOVING = {"reduced_motion": "reduce"}, {"reduced_motion": "no-preference"}
"""Options of a browser whose person wants no motion, and of one who has chosen nothing."""
DISABLED_FEATURES = (
    # The address bar's lists, web pages in processes of their own: half of what a page costs.
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "SpareRendererForSitePerProcess"),
    # The features that Playwright disables; the browser takes the last of such lists only.
    *("AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync"),
    *("DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades"),
    *("LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints"),
    *("PaintHolding", "PreconnectToSearch", "ThirdPartyStoragePartitioning"),
)
ARGUMENTS = [
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update"),
    f"--disable-features={','.join(DISABLED_FEATURES)}",
    # No page of a test runs as long as optimized code needs to be worth its compilation.
    "--js-flags=--no-opt --no-maglev",
]
CUT_OFF = (
    "WebSocket connection to",
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "ERR_CONTENT_LENGTH_MISMATCH",
    "htmx:ws:error",
    "Failed to fetch",
)
"""The browser's messages when the server has been killed under its page."""
REPLACED = ("Not attached to an active page", "net::ERR_ABORTED")
"""Playwright's messages when a page is loaded again that another one is just replacing."""
LEFT = ("closed before the connection is established", "Transition was")
"""Its messages about a page that was left, or one without a transition to it."""
FORGET = """() => addEventListener("pagehide", () => {
    try { sessionStorage.clear(); } catch {}
})"""
"""Has a page that is left keep nothing for the next one: after what its own scripts keep."""

expect.set_options(timeout=1000 * PATIENCE)


@contextmanager
def launched() -> Iterator[Browser]:
    guard.refuse("a browser")
    executable = chromium.find()
    if executable is None:
        missing("Chromium", "install it (Debian: apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


def log_in(context: BrowserContext, server: Server) -> None:
    """Give a browser the cookie of a login of its own, without its pages."""
    form: dict[str, str | float | bool] = {"user": USER, "password": PASSWORD}
    answer = context.request.post(f"{server.url}/login", form=form, max_redirects=0)
    assert answer.status == 303, answer.text()


def _without_polls(*_: object, **__: object) -> NoReturn:
    """Playwright polls by animation frames, which a page without scripts never calls back."""
    raise AssertionError("Wait for a locator: a function is evaluated once without scripts.")


class Phone:
    """A browser of its own, logged in, with a session page that it may be looking at."""

    def __init__(self, browser: Browser, server: Server, **options: object) -> None:
        """`logged_in=False` is that of a stranger; other options are those of a context.

        Its person wants no motion unless `reduced_motion` says otherwise: to draw what moves
        takes a tenth of a test's time.
        """
        logged_in = options.pop("logged_in", True)
        self._context = browser.new_context(
            **{"viewport": PHONE, "base_url": server.url, **CALM, **options}  # type: ignore[arg-type]
        )
        if logged_in:
            log_in(self._context, server)
        self._server = server
        self._scripted = bool(options.get("java_script_enabled", True))
        self.page: Page = self._context.new_page()
        if not self._scripted:
            self.page.wait_for_function = _without_polls  # type: ignore[method-assign]
        self.complaints: list[str] = []
        self.forgiven = [*LEFT]
        """The browser errors that a test expects, as parts of the messages."""
        self.page.on("console", self._record_message)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _record_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def close(self) -> None:
        self._context.close()
        self._has_no_complaint()

    def hand_on(self) -> None:
        """Leave the page, and be as at first for the next test: a context of its own costs it more
        than its first page does."""
        self.page.unroute_all(behavior="ignoreErrors")
        self._context.set_offline(False)
        self.page.evaluate(FORGET)
        self.page.goto("about:blank")
        self.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        try:
            self._has_no_complaint()
        finally:
            self.complaints.clear()
            self.forgiven = [*LEFT]

    def _has_no_complaint(self) -> None:
        complaints = [c for c in self.complaints if not any(f in c for f in self.forgiven)]
        assert not complaints, complaints

    def links_to_styles(self, *names: str) -> None:
        """Have pages link to common stylesheets, as if the browser had fetched them before."""
        files = [(ROOT / "static" / name).read_bytes() for name in names]
        value = ".".join(hashlib.sha256(content).hexdigest()[:12] for content in files)
        cookie = f"opcode_styles_{self._server.port}"
        self._context.add_cookies([{"name": cookie, "value": value, "url": self._server.url}])

    def reload_until(self, condition: Callable[[], object], what: str) -> None:
        """Load the page again until `condition` holds: how a page without scripts is followed."""

        def holds() -> object:
            try:
                self.page.reload()
            except Error as error:  # the page that a form leads to is just replacing this one
                if not any(words in str(error) for words in REPLACED):
                    raise
                return False
            return condition()

        until(
            holds,
            what,
            sleep=lambda: self.page.wait_for_timeout(200),  # each load costs what ten polls do
        )

    # --- what a person does -----------------------------------------------------------------

    def begin(self, folder: Path, prompt: str) -> None:
        """Start a session in `folder` without its form, and open its page."""
        ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
        form = {"folder": str(folder), "prompt": prompt, **ids}
        response = self._server.post("/sessions", form)
        assert response.status_code == 303, response.text
        self.open_session(response.headers["Location"])

    def open_session(self, address: str) -> None:
        """Open the page of a session that is there."""
        self.page.goto(address)
        if self._scripted:
            self.page.locator("body[data-link=online]").wait_for()

    def begin_by_form(self, folder: Path, prompt: str) -> None:
        """Start a session in `folder`, as a person does."""
        self.page.goto(f"/new?folder={quote(str(folder))}")
        self.page.get_by_role("textbox", name="Prompt").fill(prompt)
        self.button("Send").click()
        self.page.wait_for_url("**/sessions/**")
        if self._scripted:
            self.page.locator("body[data-link=online]").wait_for()

    def send(self, prompt: str) -> None:
        self.page.get_by_role("textbox", name="Prompt").fill(prompt)
        self.button("Send").click()

    def stop(self) -> None:
        """Press Stop, which takes no press for a second after what was sent."""
        expect(self.page.locator("#composer[data-just-sent]")).to_have_count(0)
        self.button("Stop").click()

    def end_claude(self) -> None:
        """End the process of a session that waits for the next prompt."""
        self.button("Session menu").click()
        self.button("End Claude").click()

    def project_row(self, name: str) -> Locator:
        """The link of a project on the start page, or on the page of all projects."""
        links = self.page.locator("main a[href^='/projects/']:not([href*='/sessions/'])")
        return links.filter(has_text=re.compile(rf"^\s*{re.escape(name)}"))

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def is_calm(self) -> bool:
        """Whether its pages know that nothing should move."""
        return bool(self.page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches"))

    @property
    def session_id(self) -> str:
        """That of the session whose page is open."""
        return self.page.url.partition("#")[0].rpartition("/")[2]

    @property
    def transcript(self) -> Locator:
        return self.page.get_by_role("log", name="Transcript")

    @property
    def status(self) -> Locator:
        return self.page.locator("#status")

    def texts(self) -> list[str]:
        """Claude's answers as they stand on the page."""
        return self.page.locator(".block-text").all_inner_texts()

    def dom(self) -> str:
        """The transcript's HTML without the changes made by htmx and the reading scripts."""
        html = self.transcript.inner_html()
        html = re.sub(r'<p [^>]*id="new-since".*?</p>', "", html)
        return re.sub(r' (data-htmx-powered="true"|open=""|class="")', "", html)

    def stays_after_a_reload(self) -> None:
        """The page from a request is the end of the one that has grown, which goes further back."""
        grown = self.dom()
        newest = self.transcript.locator("> article").last.get_attribute("id")
        self.page.reload()
        requested = self.dom()
        assert f'id="{newest}"' in requested
        assert grown.endswith(requested)

    def lock(self) -> None:
        """Simulate locking the phone; a session's page loses its socket."""
        if not self.page.locator("#live").count():
            return self._visibility("hidden")
        expect(self.page.locator("body")).to_have_attribute("data-link", "online")
        closing = self.page.evaluate_handle(
            """() => ({ closed: new Promise(resolve =>
                document.addEventListener("htmx:ws:close", resolve, { once: true })) })"""
        )
        self._visibility("hidden")
        closing.evaluate("async ({ closed }) => { await closed; }")
        return None

    def unlock(self) -> None:
        self._visibility("visible")

    def _visibility(self, state: str) -> None:
        self.page.evaluate(
            """state => {
                for (const [name, value] of [["hidden", state === "hidden"],
                                             ["visibilityState", state]])
                    Object.defineProperty(document, name, { value, configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            state,
        )
