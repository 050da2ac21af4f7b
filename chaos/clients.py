"""Clients that follow a session through everything: they lose their sockets and come back.

Each remembers only what a real one would: its cursor, and for a page its DOM.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import select
import socket
import struct
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

import requests
import websocket

from chaos.counts import Counts
from chaos.environment import Stage
from chaos.plan import Cut
from chaos.received import Heard, Line
from tests.support import dom
from tests.support.environment import PASSWORD, USER, basic_header

LOST = (OSError, websocket.WebSocketException, requests.RequestException)
"""What a client meets when its server, or its connection, is gone."""

FREEZE_SECONDS = (0.05, 0.3, 1.0)
BREATH = 0.05
"""Between two attempts to reach a server that does not answer."""
RESTART_SECONDS = 60
SMALL_BUFFER = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]


class Client:
    """What clients of all kinds share: a thread, the cuts of the plan, and coming back."""

    kind = ""

    def __init__(self, stage: Stage, session_id: str, cuts: Sequence[Cut], seed: int) -> None:
        self.stage = stage
        self.session_id = session_id
        self.counts = Counts()
        self.complaints: list[str] = []
        """What no client should ever meet."""
        self._dice = random.Random(seed)  # noqa: S311 - no secret
        self._cuts = list(cuts)
        self._until_cut = self._cuts[0].after if self._cuts else 0
        self._abandoned: list[Any] = []
        self._leave = threading.Event()
        name = f"{self.kind} of {session_id}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Go, and close what was abandoned."""
        self._leave.set()
        self._thread.join(30)
        if self._thread.is_alive():
            self.complaints.append(f"{self._thread.name} hangs")
        for each in self._abandoned:
            with contextlib.suppress(*LOST):
                each.close()

    def _run(self) -> None:
        while not self._leave.is_set():
            if not self.stage.up.wait(RESTART_SECONDS):
                self.complaints.append(f"{self._thread.name}: the server does not come back")
                return
            try:
                self.visit()
            except LOST:
                self.counts.lost += 1
                self._leave.wait(BREATH)
            except Exception:
                self.complaints.append(f"{self._thread.name}:\n{traceback.format_exc(limit=-4)}")
                return

    def visit(self) -> None:
        """Connect, and listen until the connection is lost or this client is to go."""
        raise NotImplementedError

    def due(self) -> str:
        """Called behind each message: the cut that is due now, if one is."""
        if not self._cuts:
            return ""
        if self._until_cut > 0:
            self._until_cut -= 1
            return ""
        cut = self._cuts.pop(0)
        self._until_cut = self._cuts[0].after if self._cuts else 0
        return cut.how

    @property
    def leaving(self) -> bool:
        return self._leave.is_set()


class SocketClient(Client):
    """One that follows by a WebSocket."""

    def listen(self, ws: Any) -> Iterator[str]:
        """The messages as they come, until the connection is cut or this client is to go."""
        while not self.leaving:
            # What is asked for is not read yet, so that a frame is never left in its middle
            if not select.select([ws.sock], [], [], BREATH)[0]:
                continue
            yield next_message(ws)
            match self.due():
                case "":
                    pass
                case "freeze":
                    self.counts.freezes += 1
                    self._leave.wait(self._dice.choice(FREEZE_SECONDS))
                case how:
                    self.counts.cuts += 1
                    self._cut(ws, how)
                    return
        self._cut(ws, "close")

    def _cut(self, ws: Any, how: str) -> None:
        match how:
            case "close":
                with contextlib.suppress(*LOST):
                    ws.close(timeout=1)
                ws.shutdown()
            case "vanish":
                ws.sock.shutdown(socket.SHUT_RDWR)
                ws.shutdown()
            case "reset":
                ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                ws.shutdown()
            case "abandon":
                self._abandoned.append(ws.sock)
            case _:
                raise ValueError(how)


class Listener(SocketClient):
    """A JSON client of /ws/claude, which comes back with the cursor of what it has heard last."""

    kind = "listener"

    def __init__(
        self, stage: Stage, session_id: str, cuts: Sequence[Cut], seed: int, heard: Heard
    ) -> None:
        super().__init__(stage, session_id, cuts, seed)
        self.heard = heard
        self._cursor: str | None = None

    def visit(self) -> None:
        ws = open_socket(self.stage, small=self._dice.random() < 0.3)
        try:
            attach = {"command_type": "attach", "session_id": self.session_id}
            ws.send(json.dumps({**attach, "cursor": self._cursor} if self._cursor else attach))
            for message in self.listen(ws):
                self._hear(json.loads(message))
        finally:
            if ws.sock not in self._abandoned:
                ws.shutdown()

    def _hear(self, message: dict[str, Any]) -> None:
        self.counts.messages += 1
        kind, run_id = message["type"], message.get("run_id", "")
        if message.get("session_id", self.session_id) != self.session_id:
            self.complaints.append(f"{self._thread.name} was told of {message['session_id']}")
        if kind == "output":
            self.heard.line(Line(run_id, "stdout", message["content"]))
        elif kind == "error" and message.get("stream") == "stderr":
            self.heard.line(Line(run_id, "stderr", message["content"]))
        elif kind == "error" and not run_id:
            self.complaints.append(f"{self._thread.name} was refused: {message['message']}")
        elif kind == "ended":
            self.heard.end(run_id, message["outcome"])
        self._cursor = message.get("cursor") or self._cursor


def open_socket(stage: Stage, *, small: bool = False) -> Any:
    """A socket at /ws/claude that has been greeted."""
    ws = websocket.create_connection(
        stage.url.replace("http", "ws", 1) + "/ws/claude",
        header=basic_header(),
        suppress_origin=True,
        timeout=20,
        sockopt=SMALL_BUFFER if small else None,
    )
    next_message(ws)
    return ws


def next_message(ws: Any) -> str:
    """What comes next. Raises one of LOST when it is the end of the connection."""
    message: str = ws.recv()
    if not message:  # which is how the library says that the server has closed
        raise websocket.WebSocketConnectionClosedException
    return message


class Poller(Client):
    """A JSON client that asks over REST, again and again, for what is behind its cursor."""

    kind = "poller"

    def __init__(
        self, stage: Stage, session_id: str, cuts: Sequence[Cut], seed: int, heard: Heard
    ) -> None:
        super().__init__(stage, session_id, cuts, seed)
        self.heard = heard
        self._cursor = ""

    def visit(self) -> None:
        with requests.Session() as connection:
            connection.auth = (USER, PASSWORD)
            while not self.leaving:
                self._ask(connection)

    def _ask(self, connection: requests.Session) -> None:
        query: dict[str, str | int | float] = {
            "limit": self._dice.choice((1, 7, 100, 1000)),
            "wait": self._dice.choice((0.2, 0.5)),
        }
        if self._cursor:
            query["after"] = self._cursor
        url = f"{self.stage.url}/api/sessions/{self.session_id}/output"
        answer = connection.get(url, params=query, timeout=20, stream=True)
        match self.due():
            case "":
                pass
            case "freeze":
                self.counts.freezes += 1
                self._leave.wait(self._dice.choice(FREEZE_SECONDS))
            case _:  # the answer is not read, so what it holds has to come again
                self.counts.cuts += 1
                answer.close()
                return
        if answer.status_code in (502, 503, 504):
            self._leave.wait(BREATH)
            return
        if not answer.ok:
            raise AssertionError(f"{answer.status_code}: {answer.text[:300]}")
        self.counts.messages += 1
        data = answer.json()["data"]
        for line in data["lines"]:
            self.heard.line(Line(line["run_id"], line["stream"], line["content"]))
        self._cursor = data["cursor"] or self._cursor
        if not data["lines"] and not data["running"]:
            self._leave.wait(BREATH)


class Page(SocketClient):
    """A session's page: loaded once, then kept current by what its socket sends."""

    kind = "page"

    def __init__(
        self, stage: Stage, session_id: str, cuts: Sequence[Cut], seed: int, path: str
    ) -> None:
        super().__init__(stage, session_id, cuts, seed)
        self.path = path
        self.lock = threading.Lock()
        self._browser = requests.Session()
        self._browser.auth = (USER, PASSWORD)
        self._page: dom.Node | None = None

    def visit(self) -> None:
        if self._page is None:
            page = load(self._browser, self.stage, self.path)
            with self.lock:
                self._page = page
        cookie = "; ".join(f"{c.name}={c.value}" for c in self._browser.cookies)
        ws: Any = websocket.create_connection(
            f"{self.stage.url.replace('http', 'ws', 1)}{self.path}/live?cursor={self.cursor}",
            cookie=cookie,
            origin=self.stage.url,
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
        """What stands on the page now, by the ids of its elements."""
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
    """The blocks of a page, each by its place, and what stands around them."""
    transcript = page.find("transcript")
    assert transcript is not None, "the page has no transcript"
    blocks = [each for each in transcript.elements if each.id != "new-since"]
    around = {name: node for name in AROUND if (node := page.find(name))}
    return {
        **{f"{number:05}": str(block) for number, block in enumerate(blocks)},
        **{name: _without_swap(str(node)) for name, node in around.items()},
    }


def _without_swap(html: str) -> str:
    """What says how an element is put into a page, and when, is not what it shows."""
    return re.sub(r' (hx-swap-oob|data-now)="[^"]*"', "", html)


def load(browser: requests.Session, stage: Stage, path: str) -> dom.Node:
    """A session's page with all its blocks, loaded now."""
    query: dict[str, str] = {}
    while True:
        answer = browser.get(stage.url + path, params=query, timeout=20)
        if answer.status_code != 200:
            raise AssertionError(f"{answer.status_code} at {path}: {answer.text[:300]}")
        further = re.search(r'href="[^"#]+\?from=([^"#]+)', answer.text)
        if not further or further[1] == query.get("from"):
            return dom.parse(answer.text)
        query = {"from": unquote(further[1])}
