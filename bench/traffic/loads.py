"""First loads of a page in Chromium at a phone's size: time to first paint, and bytes.

Every load has a browser context of its own, so its cache and its connections are new.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from scripts import chromium
from tests.support.environment import SYSTEM_PATH

PHONE = {"width": 390, "height": 844}
ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
FIRST_PAINT = """() => new Promise(resolve => new PerformanceObserver(list => {
    for (const entry of list.getEntries())
        if (entry.name === "first-contentful-paint") resolve(entry.startTime);
}).observe({ type: "paint", buffered: true }))"""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Slowdown of the CPU, and of the network: bits per second and milliseconds of latency."""

    cpu_slowdown: float = 1.0
    line: tuple[float, float] | None = None
    encodings: str = ""
    """The `Accept-Encoding` of all requests; empty for that of the browser on this computer."""

    def apply(self, devtools: CDPSession) -> None:
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": self.cpu_slowdown})
        if self.line is not None:
            bits_per_second, latency = self.line
            rate = bits_per_second / 8
            devtools.send(
                "Network.emulateNetworkConditions",
                {
                    "offline": False,
                    "latency": latency,
                    "downloadThroughput": rate,
                    "uploadThroughput": rate,
                },
            )


@dataclass(slots=True)
class Load:
    """The measurements of one first load."""

    paint_ms: float = 0.0
    bytes_by_type: dict[str, float] = field(default_factory=dict)
    """Bytes over the wire, headers included, by CDP's resource type."""

    @property
    def total_bytes(self) -> float:
        return sum(self.bytes_by_type.values())


@contextmanager
def phone() -> Iterator[Browser]:
    """Chromium with a HOME of its own."""
    executable = chromium.find()
    assert executable is not None, "Chromium was not found: install it."
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=list(ARGUMENTS),
            env={"PATH": SYSTEM_PATH, "HOME": home, "LANG": "C.UTF-8"},
        )
        try:
            yield browser
        finally:
            browser.close()


def load(
    browser: Browser,
    url: str,
    cookies: Mapping[str, str],
    conditions: Conditions,
    settle: Callable[[Page], None] = lambda page: None,
) -> Load:
    """Load `url` for the first time, logged in by `cookies`.

    Bytes are counted until `settle` returns, which is called after the load event.
    """
    # With a finger: a page loads its script for keys where there is a mouse
    asks = {"Accept-Encoding": conditions.encodings} if conditions.encodings else {}
    context = browser.new_context(
        viewport=PHONE,  # type: ignore[arg-type]
        is_mobile=True,
        has_touch=True,
        extra_http_headers=asks,
    )
    try:
        origin = urljoin(url, "/")  # a cookie given for the page alone would not go to its scripts
        for name, value in cookies.items():
            context.add_cookies([{"name": name, "value": value, "url": origin}])
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        result = Load()
        _weigh(devtools, result)
        conditions.apply(devtools)
        page.goto(url, wait_until="load")
        result.paint_ms = page.evaluate(FIRST_PAINT)
        settle(page)
        return result
    finally:
        context.close()


def _weigh(devtools: CDPSession, result: Load) -> None:
    """Add up the bytes over the wire into `result`, those of the WebSocket included."""
    kinds: dict[str, str] = {}

    def add(kind: str, size: float) -> None:
        result.bytes_by_type[kind] = result.bytes_by_type.get(kind, 0.0) + size

    def responded(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"]

    def finished(event: dict[str, Any]) -> None:
        add(kinds.get(event["requestId"], "Other"), event["encodedDataLength"])

    def framed(event: dict[str, Any]) -> None:
        add("WebSocket", len(event["response"]["payloadData"].encode()))

    devtools.on("Network.responseReceived", responded)
    devtools.on("Network.loadingFinished", finished)
    devtools.on("Network.webSocketFrameReceived", framed)
    devtools.send("Network.enable")
