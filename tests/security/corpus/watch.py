"""Watches a page for what injected text would do: dialogs, requests, errors, canaries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Dialog, Page, Request


class Watch:
    """Notes what a browser context does: calls of the canary, dialogs, requests, navigation."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self._origin = origin
        self.heard: list[str] = []
        context.expose_function("canary", lambda *_: self.heard.append("the canary was called"))
        context.on("request", self._request)
        context.on("dialog", self._dialog)
        context.on("console", lambda message: self._console(message.type, message.text))
        context.on("page", self._page)

    def _dialog(self, dialog: Dialog) -> None:
        self.heard.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _page(self, page: Page) -> None:
        page.on("popup", lambda popup: self.heard.append(f"window {popup.url}"))
        page.on("download", lambda download: self.heard.append(f"download {download.url}"))
        page.on("websocket", lambda socket: self._address(socket.url))
        page.on("frameattached", lambda frame: self.heard.append(f"frame {frame.url}"))
        page.on("pageerror", lambda error: self.heard.append(f"error {error}"))

    def _request(self, request: Request) -> None:
        self._address(request.url)

    def _address(self, url: str) -> None:
        parts = urlsplit(url)
        ours = parts.netloc == urlsplit(self._origin).netloc or parts.scheme in ("data", "about")
        if not ours or parts.path.startswith("/canary"):
            self.heard.append(f"request {url[:200]}")

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not _HARMLESS.search(text):
            self.heard.append(f"{kind} {text[:300]}")


_HARMLESS = re.compile(
    r"closed before the connection is established|status of 4\d\d|Failed to load resource"
)
"""The browser's messages about a page that was left, and about a refusal that a test provokes."""


@contextmanager
def watched(context: BrowserContext, origin: str) -> Iterator[tuple[Page, Watch]]:
    """A page in the context, and what is noted of it."""
    watch = Watch(context, origin)
    page = context.new_page()
    yield page, watch
