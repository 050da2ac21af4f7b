"""Clients that follow a session through all faults: they lose their sockets and reconnect.

Each keeps only the state of a real client: its cursor, and for a page its DOM.
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
from chaos.environment import ServerUnderTest
from chaos.plan import Cut
from chaos.received import Line, ReceivedLines
from tests.support import dom
from tests.support.environment import PASSWORD, USER, basic_header

LOST = (OSError, websocket.WebSocketException, requests.RequestException)
"""The exceptions of a client whose server, or whose connection, is gone."""

FREEZE_SECONDS = (0.05, 0.3, 1.0)
BREATH = 0.05
"""Pause between two attempts to reach a server that does not answer."""
RESTART_SECONDS = 60
SMALL_BUFFER = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]


class Client:
    """The common part of all clients: a thread, the cuts of the plan, and reconnecting."""

    kind = ""

    def __init__(
        self, server: ServerUnderTest, session_id: str, cuts: Sequence[Cut], seed: int
    ) -> None:
        self.server = server
        self.session_id = session_id
        self.counts = Counts()
        self.complaints: list[str] = []
        """Events that no client should ever see."""
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
        """End, and close the abandoned connections."""
        self._leave.set()
        self._thread.join(30)
        if self._thread.is_alive():
            self.complaints.append(f"{self._thread.name} hangs")
        for each in self._abandoned:
            with contextlib.suppress(*LOST):
                each.close()

    def _run(self) -> None:
        while not self._leave.is_set():
            if not self.server.up.wait(RESTART_SECONDS):
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
        """Connect, and listen until the connection is lost or this client is to end."""
        raise NotImplementedError

    def due(self) -> str:
        """Called after each message: the cut that is due now, if any."""
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
    """A client that follows by a WebSocket."""

    def listen(self, ws: Any) -> Iterator[str]:
        """The messages as they arrive, until the connection is cut or this client is to end."""
        while not self.leaving:
            # Select before reading, so that no read stops in the middle of a frame
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
    """A JSON client of /ws/claude, which reconnects with the cursor of its last message."""

    kind = "listener"

    def __init__(
        self,
        server: ServerUnderTest,
        session_id: str,
        cuts: Sequence[Cut],
        seed: int,
        heard: ReceivedLines,
    ) -> None:
        super().__init__(server, session_id, cuts, seed)
        self.heard = heard
        self._cursor: str | None = None

    def visit(self) -> None:
        ws = open_socket(self.server, small=self._dice.random() < 0.3)
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
            self.complaints.append(
                f"{self._thread.name} received a message of {message['session_id']}"
            )
        if kind == "output":
            self.heard.line(Line(run_id, "stdout", message["content"]))
        elif kind == "error" and message.get("stream") == "stderr":
            self.heard.line(Line(run_id, "stderr", message["content"]))
        elif kind == "error" and not run_id:
            self.complaints.append(f"{self._thread.name} was refused: {message['message']}")
        elif kind == "ended":
            self.heard.end(run_id, message["outcome"])
        self._cursor = message.get("cursor") or self._cursor


def open_socket(server: ServerUnderTest, *, small: bool = False) -> Any:
    """A socket at /ws/claude that has been greeted."""
    ws = websocket.create_connection(
        server.url.replace("http", "ws", 1) + "/ws/claude",
        header=basic_header(),
        suppress_origin=True,
        timeout=20,
        sockopt=SMALL_BUFFER if small else None,
    )
    next_message(ws)
    return ws


def next_message(ws: Any) -> str:
    """The next message. Raises one of LOST at the end of the connection."""
    message: str = ws.recv()
    if not message:  # the library's sign that the server has closed
        raise websocket.WebSocketConnectionClosedException
    return message


class Poller(Client):
    """A JSON client that polls the REST API for the output after its cursor."""

    kind = "poller"

    def __init__(
        self,
        server: ServerUnderTest,
        session_id: str,
        cuts: Sequence[Cut],
        seed: int,
        heard: ReceivedLines,
    ) -> None:
        super().__init__(server, session_id, cuts, seed)
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
        url = f"{self.server.url}/api/sessions/{self.session_id}/output"
        answer = connection.get(url, params=query, timeout=20, stream=True)
        match self.due():
            case "":
                pass
            case "freeze":
                self.counts.freezes += 1
                self._leave.wait(self._dice.choice(FREEZE_SECONDS))
            case _:  # the response is not read, so its lines have to come again
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
