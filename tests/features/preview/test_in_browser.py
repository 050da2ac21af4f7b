"""Chromium on previews: live reload works, and a hostile page gets nothing of the app."""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.features.preview.conftest import DEV_SERVER, Dev, answers
from tests.security.access.test_drive_by import statuses_of
from tests.support.environment import PATIENCE, free_port, processes_of, until
from tests.support.pages.browser import PHONE, Phone, log_in

pytestmark = pytest.mark.browser

HOSTILE = """<!doctype html><title>hostile</title><link rel="icon" href="data:,">
<form method="post" action="OURS/runs/stop-all" target="posted"><button>Post</button></form>
<script>
const ours = "OURS", found = {};
const tried = async (name, act) => {
  try { found[name] = String(await act()); } catch (error) { found[name] = error.name; }
};
const socket = (url) => new Promise((resolve) => {
  const ws = new WebSocket(url);
  ws.onopen = () => resolve("open");
  ws.onerror = () => resolve("refused");
});
const framed = () => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.onload = () => {
    try { resolve(frame.contentDocument.body.innerText); } catch (error) { resolve(error.name); }
  };
  frame.src = `${ours}/runs`;
  document.body.append(frame);
});
const attack = async () => {
  await tried("origin", () => self.origin);
  await tried("opener", () => window.opener);
  await tried("reads", async () => (await fetch(`${ours}/api/projects`,
    {credentials: "include"})).status);
  await tried("sends", async () => (await fetch(`${ours}/runs/stop-all`,
    {method: "POST", mode: "no-cors", credentials: "include"})).type);
  await tried("cookies", () => /opcode|__Host/.test(document.cookie));
  await tried("sets", () => { for (const path of ["/", "/runs"])
    document.cookie = `opcode_PORT=${"0".repeat(32)}.${"a".repeat(43)}; path=${path}`; });
  await tried("worker", () => navigator.serviceWorker.register("/src/main.js"));
  await tried("socket", () => socket(`${ours.replace("http", "ws")}/ws/claude`));
  await tried("framed", framed);
  await tried("stores", () => { localStorage.a = "1"; return localStorage.a; });
  document.title = JSON.stringify(found);
};
attack();
</script>"""


@pytest.fixture
def opened(browser: Browser, start_dev: Callable[..., Dev]) -> Iterator[Callable[..., Page]]:
    """Opens a preview by tapping its button on the session's page, on a phone."""
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]

    def open_(dev: Dev, button: str = "Open port") -> Page:
        if not context.pages:
            log_in(context, dev.server)
        page = context.new_page()
        until(dev.find, "the dev server is listed")
        page.goto(f"{dev.server.url}{dev.page}/preview")
        with context.expect_page() as popup:
            page.get_by_role("button", name=button).click()
        popup.value.wait_for_url(re.compile("^http"))  # it may begin as about:blank
        return popup.value

    yield open_
    context.close()


def hostile(dev: Dev) -> None:
    text = HOSTILE.replace("OURS", dev.server.url).replace("PORT", str(dev.server.port))
    (dev.folder / "page.html").write_text(text)


def attacked(page: Page) -> dict[str, str]:
    """What became of each attempt, which the page writes into its title."""
    expect(page).to_have_title(re.compile(r"^\{.*\}$"))
    found: dict[str, str] = json.loads(page.title())
    return found


def are_refused(page: Page, dev: Dev, statuses: Callable[[], list[tuple[str, int]]]) -> None:
    """Wait until the browser has reported its answers to all that the page has tried of the app."""
    tried = {"/api/projects", "/runs/stop-all", "/runs"}

    def answers() -> dict[str, int]:
        return {
            url.removeprefix(dev.server.url): status
            for url, status in statuses()
            if url.startswith(dev.server.url) and "/preview/" not in url
        }

    until(lambda: answers().keys() >= tried, "all", sleep=lambda: page.wait_for_timeout(50))
    assert answers() == dict.fromkeys(tried, 403)


def test_a_page_with_absolute_addresses_modules_and_live_reload_works_with_one_tap(
    kept_dev: Dev, opened: Callable[..., Page]
) -> None:
    page = opened(kept_dev)
    expect(page.locator("#said")).to_have_text("hello from a module")
    assert page.url in {f"http://127.0.0.1:{port}/" for port in kept_dev.ports}
    assert page.evaluate("localStorage.a = '1'") == "1"
    # The page of previews takes further taps, and shows by itself what is open
    previews = page.context.pages[0]
    expect(previews.get_by_role("button", name="Close port")).to_be_visible()
    with page.context.expect_page() as again:
        previews.get_by_role("button", name="Open port").click()
    expect(again.value.locator("#said")).to_have_text("hello from a module")
    previews.get_by_role("button", name="Close port").click()
    expect(previews.get_by_role("button", name="Close port")).to_have_count(0)
    answer = page.reload()
    assert answer
    assert answer.status == 404


def test_the_session_s_page_has_a_sign_as_long_as_something_listens(
    dev: Dev, browser: Browser, tmp_path: Path
) -> None:
    phone = Phone(browser, dev.server)
    phone.open_session(dev.page)
    sign = phone.page.locator("#dev-servers")
    expect(sign).to_have_text(f"Preview localhost:{dev.port}")
    second = free_port()
    command = ["start", sys.executable, DEV_SERVER, "127.0.0.1", str(second), str(tmp_path)]
    form = {"prompt": json.dumps([command, ["text", "one more"]]), "prompt_id": str(uuid.uuid4())}
    assert dev.server.post(f"{dev.page}/prompt", form).status_code == 303
    both = " ".join(f"localhost:{port}," for port in sorted((dev.port, second))).removesuffix(",")
    expect(sign).to_have_text(f"Preview {both}", timeout=1000 * PATIENCE)
    for process in processes_of(dev.server.sandbox.state):
        if str(dev.port) in process.cmdline():
            process.kill()
    expect(sign).to_have_text(f"Preview localhost:{second}", timeout=1000 * PATIENCE)
    sign.click()
    expect(phone.page.get_by_role("heading", name=f"Port {second}")).to_be_visible()
    for process in processes_of(dev.server.sandbox.state):
        if str(second) in process.cmdline():
            process.kill()
    # Without a script the page has the sign of what listens while it is loaded
    until(lambda: not answers(second), "it has ended")
    address = f"{dev.server.url}{dev.page}"

    def is_hidden() -> bool:
        page = dev.client.get(address, timeout=PATIENCE).text
        return bool(re.search(r'id="dev-servers"[^>]* hidden', page))

    until(is_hidden, "the sign has gone")
    phone.close()


def test_a_hostile_dev_server_gets_nothing_of_the_app(
    kept_dev: Dev, opened: Callable[..., Page]
) -> None:
    hostile(kept_dev)
    page = opened(kept_dev)
    statuses = statuses_of(page.context.new_cdp_session(page))
    page.goto(f"{page.url}page")
    assert attacked(page) == {
        "origin": page.url.removesuffix("/page"),
        "opener": "null",
        "reads": "TypeError",
        "sends": "opaque",
        "cookies": "false",
        "sets": "undefined",
        "worker": "TypeError",
        "socket": "refused",
        "framed": "TypeError",
        "stores": "1",
    }
    are_refused(page, kept_dev, statuses)
    page.get_by_role("button", name="Post").click()
    # What it has set takes the place of no login
    answer = page.goto(f"{kept_dev.server.url}/runs")
    assert answer
    assert answer.ok


def test_in_a_sandbox_a_page_works_and_a_hostile_one_has_no_origin(
    kept_dev: Dev, opened: Callable[..., Page]
) -> None:
    page = opened(kept_dev, "Open in a sandbox")
    place = page.url
    assert place.startswith(f"{kept_dev.server.url}/preview/{kept_dev.port}/")
    page.goto(f"{place}report/")
    expect(page.locator("#said")).to_have_text("POST null")
    hostile(kept_dev)
    statuses = statuses_of(page.context.new_cdp_session(page))
    page.goto(f"{place}page")
    found = attacked(page)
    assert (found["origin"], found["opener"]) == ("null", "null")
    assert (found["reads"], found["sends"]) == ("TypeError", "opaque")
    for denied in ("cookies", "sets", "worker", "stores"):
        assert found[denied] == "SecurityError", denied
    assert (found["socket"], found["framed"]) == ("refused", "TypeError")
    are_refused(page, kept_dev, statuses)
    answer = page.goto(f"{kept_dev.server.url}/runs")
    assert answer
    assert answer.ok
