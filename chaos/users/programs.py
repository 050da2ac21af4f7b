"""Programs that follow a session: by the socket for programs, and by the REST API."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import requests
import websocket

from chaos.plan import Cut
from chaos.server.environment import ServerUnderTest
from chaos.users.clients import (
    BREATH,
    FREEZE_SECONDS,
    SMALL_BUFFER,
    Client,
    SocketClient,
    next_message,
)
from chaos.users.received import Line, ReceivedLines
from tests.support.environment import PASSWORD, USER, basic_header


class Program(Client):
    """A client that collects lines, and goes on from the cursor of the last ones."""

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


class Listener(Program, SocketClient):
    """A JSON client of /ws/claude, which reconnects with the cursor of its last message."""

    kind = "listener"

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


class Poller(Program):
    """A JSON client that polls the REST API for the output after its cursor."""

    kind = "poller"

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
