"""The page of a session, kept as its DOM, to which the messages of its socket are applied."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import requests
import websocket

from chaos.plan import Cut
from chaos.server.environment import ServerUnderTest
from chaos.users.clients import SMALL_BUFFER, SocketClient
from tests.support.environment import PASSWORD, USER
from tests.support.pages import dom


class Page(SocketClient):
    """A session's page: loaded once, then kept current by the messages of its socket."""

    kind = "page"

    def __init__(
        self, server: ServerUnderTest, session_id: str, cuts: Sequence[Cut], seed: int, path: str
    ) -> None:
        super().__init__(server, session_id, cuts, seed)
        self.path = path
        self.lock = threading.Lock()
        self._browser = requests.Session()
        self._browser.auth = (USER, PASSWORD)
        self._page: dom.Node | None = None

    def visit(self) -> None:
        if self._page is None:
            page = load(self._browser, self.server, self.path)
            with self.lock:
                self._page = page
        cookie = "; ".join(f"{c.name}={c.value}" for c in self._browser.cookies)
        ws: Any = websocket.create_connection(
            f"{self.server.url.replace('http', 'ws', 1)}{self.path}/live?cursor={self.cursor}",
            cookie=cookie,
            origin=self.server.url,
            timeout=20,
            sockopt=SMALL_BUFFER if self._dice.random() < 0.3 else None,
        )
        try:
            for message in self.listen(ws):
                self.counts.messages += 1
                with self.lock:
                    dom.apply(self._page, message)
        finally:
            if ws.sock not in self._abandoned:
                ws.shutdown()

    @property
    def cursor(self) -> str:
        node = self._page.find("cursor") if self._page else None
        return (node.attributes["value"] or "") if node else ""

    def shown(self) -> dict[str, str]:
        """The current content of the page, by the ids of its elements."""
        with self.lock:
            return shown(self._page) if self._page else {}

    def close(self) -> None:
        self._browser.close()


AROUND = (
    *("status", "since", "usage", "queue", "errors", "todos", "stop", "needs", "draft"),
    *("in-force", "bypass", "options", "cursor"),
)
"""The elements around the transcript that follow the session."""


def shown(page: dom.Node) -> dict[str, str]:
    """The blocks of a page, each by its position, and the elements around them."""
    transcript = page.find("transcript")
    assert transcript is not None, "the page has no transcript"
    blocks = [each for each in transcript.elements if each.id != "new-since"]
    around = {name: node for name in AROUND if (node := page.find(name))}
    return {
        **{f"{number:05}": str(block) for number, block in enumerate(blocks)},
        **{name: _without_swap(str(node)) for name, node in around.items()},
    }


def _without_swap(html: str) -> str:
    """Without the attributes that say how and when an element is swapped in: they show nothing."""
    return re.sub(r' (hx-swap-oob|data-now)="[^"]*"', "", html)


def load(browser: requests.Session, server: ServerUnderTest, path: str) -> dom.Node:
    """A session's page with all its blocks, loaded now."""
    query: dict[str, str] = {}
    while True:
        answer = browser.get(server.url + path, params=query, timeout=20)
        if answer.status_code != 200:
            raise AssertionError(f"{answer.status_code} at {path}: {answer.text[:300]}")
        further = re.search(r'href="[^"#]+\?from=([^"#]+)', answer.text)
        if not further or further[1] == query.get("from"):
            return dom.parse(answer.text)
        query = {"from": unquote(further[1])}
