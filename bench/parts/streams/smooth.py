"""Smoothness of the page on a slow phone during a stream: long tasks, and typing delay."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

from bench.figures import Figure, Target
from bench.server import running_server
from bench.traffic.loads import PHONE, Conditions, phone
from bench.traffic.ticks import (
    Series,
    begin,
    prompt,
    write_ticker,
)
from tests.support.environment import Sandbox
from tests.support.server import Server

SLOW_CPU = Conditions(cpu_slowdown=6)
STREAM = Series("stream", count=2400, pause=0.05)
"""20 updates a second for two minutes."""

KEY_SECONDS = 0.25
LEAST_TASK_MS = 50.0
WORDS = "what I would say next "

OBSERVE = """() => {
    window.tasks = [];
    window.keys = [];
    new PerformanceObserver(list => {
        for (const each of list.getEntries()) tasks.push(each.duration);
    }).observe({ type: "longtask" });
    addEventListener("keydown", event => requestAnimationFrame(() =>
        setTimeout(() => keys.push(performance.now() - event.timeStamp))));
}"""
COLLECT = "() => [tasks.splice(0), keys.splice(0)]"


def measure() -> list[Figure]:
    """Milliseconds of the tasks over 50 ms, and from each key to the frame that shows it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with (
            running_server(Sandbox(home / "home").make(), write_ticker(home)) as server,
            session_page(server) as (page, address),
        ):
            page.evaluate(OBSERVE)
            quiet_tasks, quiet_keys = typed(page, seconds=15)
            prompt(server, address, STREAM)
            tasks, keys = typed(page, seconds=STREAM.count * STREAM.pause)
            page.get_by_text(f"tick{STREAM.count - 1}at").wait_for()
    least = [LEAST_TASK_MS]  # the browser reports no shorter ones
    return [
        Figure(
            "Tasks over 50 ms, 20 updates/s, CPU slowed 6×",
            "ms",
            tasks or least,
            "nothing comes",
            quiet_tasks or least,
            Target("worst", 200),
        ),
        Figure(
            "From a key to the frame that shows it, meanwhile",
            "ms",
            keys,
            "nothing comes",
            quiet_keys,
            Target("median", 100),
        ),
    ]


@contextmanager
def session_page(server: Server) -> Iterator[tuple[Page, str]]:
    """The page of a new session on a slow phone, and its address."""
    with phone() as browser:
        address = begin(server)
        context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
        for cookie in server.get(address).cookies:
            given = {"name": cookie.name, "value": cookie.value or "", "url": server.url}
            context.add_cookies([given])  # type: ignore[list-item]
        page = context.new_page()
        SLOW_CPU.apply(context.new_cdp_session(page))
        page.goto(server.url + address)
        page.locator("body[data-link=online]").wait_for()
        yield page, address
        context.close()


def typed(page: Page, seconds: float) -> tuple[list[float], list[float]]:
    """Long tasks and the delays of keys while a person types for so long."""
    page.get_by_role("textbox", name="Prompt").focus()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for letter in WORDS:
            page.keyboard.press(letter)
            page.wait_for_timeout(KEY_SECONDS * 1e3)
        page.get_by_role("textbox", name="Prompt").fill("")
    tasks, keys = page.evaluate(COLLECT)
    return tasks, keys
