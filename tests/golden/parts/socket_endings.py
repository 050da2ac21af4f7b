"""Who is let in at each of the sockets, and how each of them ends."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import uuid
from collections.abc import Callable
from typing import Any

import requests
import websocket

from tests.golden.parts import shapes
from tests.golden.parts.sockets import (
    BASIC,
    CHATS,
    WAITS,
    Sockets,
)
from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import PASSWORD, USER

MOST_VIEWERS = 6

Recorded = dict[str, Any]


class Endings(Sockets):
    def record(self) -> Recorded:
        return {
            "refused": self.refused(),
            "endings": {**self.endings(), **self.going_down()},  # the last act
        }

    def refused(self) -> Recorded:
        """The statuses of handshakes that are not let in."""
        token = requests.Request("GET", self.server.url, auth=BASIC).prepare()
        login = {"Authorization": token.headers["Authorization"]}
        page = self.begin("hello")
        statuses: Recorded = {}
        for path in ("/ws/claude", f"{CHATS}/{self.create()}/chat", f"{page}/live"):
            for why, headers in (
                ("no login", {}),
                ("a wrong password", {"Authorization": "Basic b3Bjb2RlOndyb25n"}),
                ("another origin", {**login, "Origin": "http://evil.example"}),
                ("no handshake", None),
            ):
                handshake = {
                    "Upgrade": "websocket",
                    "Connection": "Upgrade",
                    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                    "Sec-WebSocket-Version": "13",
                }
                answer = requests.get(
                    self.server.url + path,
                    headers=login if headers is None else {**handshake, **headers},
                    timeout=20,
                )
                name = f"{shapes.masked(path, self.names)}: {why}"
                statuses[name] = answer.status_code
        return statuses

    def endings(self) -> Recorded:
        page, chat = self.begin("hello"), self.create()
        nobody = str(uuid.uuid4())
        projects = page.rpartition("/")[0]
        return {
            "chat of an unknown session": self.end_of(f"{CHATS}/{nobody}/chat"),
            "page of an unknown session": self.end_of(f"{projects}/{nobody}/live"),
            "chat of a session that is forgotten": self.end_of(
                f"{CHATS}/{chat}/chat", lambda _: self.delete(chat)
            ),
            "commands: a message that is too long": self.end_of("/ws/claude", too_long),
            "page: a message that is too long": self.end_of(f"{page}/live", too_long),
            "task: its run is stopped": self.end_of("/ws/claude", self.stopped_task),
            "too many viewers": self.too_many(),
            "page: its login ends": self.logged_out(page),
        }

    def end_of(self, path: str, act: Callable[[JsonClient], object] = lambda _: None) -> Any:
        with connected(self.server, path, greeted=False) as client:
            act(client)
            return ending(client)

    def delete(self, session_id: str) -> None:
        url = f"{self.server.url}{CHATS}/{session_id}"
        assert requests.delete(url, auth=BASIC, timeout=20).ok

    def stopped_task(self, client: JsonClient) -> None:
        runs = self.server.sandbox.state / "runs"
        before = set(runs.iterdir())
        client.send(prompt=WAITS, meta="T-9")
        client.until(lambda message: message["type"] == "assistant")
        [run] = set(runs.iterdir()) - before
        assert self.server.post(f"/runs/{run.name}/stop", {}).status_code == 303

    def too_many(self) -> Any:
        clients = [JsonClient(self.server) for _ in range(MOST_VIEWERS)]
        try:
            return self.end_of("/ws/claude")
        finally:
            for client in clients:
                client.close()

    def logged_out(self, page: str) -> Any:
        """A browser's socket whose person logs out."""
        browser = requests.Session()
        browser.headers["Origin"] = self.server.url
        form = {"user": USER, "password": PASSWORD}
        assert browser.post(f"{self.server.url}/login", data=form, timeout=20).ok
        cookie = "; ".join(f"{each.name}={each.value}" for each in browser.cookies)
        token = re.search(
            r'name="csrf_token" value="([^"]+)"', browser.get(f"{self.server.url}{page}").text
        )
        assert token
        options: dict[str, Any] = {
            "cookie": cookie,
            "header": [],
            "suppress_origin": False,
            "origin": self.server.url,
        }
        with connected(self.server, f"{page}/live", greeted=False, **options) as client:
            client.ws.recv()
            form = {"csrf_token": token[1]}
            assert browser.post(f"{self.server.url}/logout", data=form, timeout=20).ok
            return ending(client)

    def going_down(self) -> Recorded:
        """The server stops while each of the sockets is open."""
        page, chat = self.begin("hello"), self.create()
        paths = {
            "commands": "/ws/claude",
            "task": "/ws/claude",
            "chat": f"{CHATS}/{chat}/chat",
            "page": f"{page}/live",
        }
        clients = {
            name: JsonClient(self.server, path, greeted=False) for name, path in paths.items()
        }
        clients["task"].send(prompt=WAITS, meta="T-10")
        clients["task"].until(lambda message: message["type"] == "assistant")
        clients["commands"].receive()
        clients["chat"].until("backlog")
        clients["page"].ws.recv()
        found: Recorded = {}
        readers = [
            threading.Thread(target=lambda n=name, c=client: found.update({n: ending(c)}))
            for name, client in clients.items()
        ]
        for reader in readers:
            reader.start()
        os.kill(self.server.pid, 15)
        for reader in readers:
            reader.join(20)
        self.server.stop()
        for client in clients.values():
            client.close()
        return {f"{name}: the server goes down": end for name, end in found.items()}


def too_long(client: JsonClient) -> None:
    with contextlib.suppress(ConnectionError):  # the rest of the message is not read
        client.ws.send("x" * (1024 * 1024 + 1))


def ending(client: JsonClient) -> Any:
    """The code and the reason of the close frame."""
    while True:
        opcode, data = client.ws.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return {"code": int.from_bytes(data[:2], "big"), "reason": data[2:].decode()}
