"""Many clients of one server, in their own process, which records when each line arrives.

Reads one JSON object from stdin: the port, the header with the credentials, and the clients, each
with its address and its first message; one without an address gets the ticks from a plain socket.
Prints a line when all are connected; stops when each has received the last tick, at the time limit,
or when stdin closes; then prints the measurements. It parses no frames: the ticks are plain in the
bytes, and a gap in their numbers is a missing one. (So it does not offer compression, as browsers
do.)
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import sys
import time
from array import array
from typing import Any

TICK = re.compile(rb"tick(\d+)at(\d+) ")
LONGEST_TICK = 48
RECEIVED = 1 << 18
BATCH = 64


class Client:
    """One socket, and the ticks it has received."""

    def __init__(self, port: int, header: str, path: str, says: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.newest = -1
        self.missed = 0
        self._tail = b""
        if path:
            self._open_websocket(port, header, path)
        if says:
            self.socket.sendall(masked(says.encode()))
        self.socket.setblocking(False)

    def _open_websocket(self, port: int, header: str, path: str) -> None:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        self.socket.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self.socket.recv(RECEIVED)
            assert piece, f"{path} was refused: {answer!r}"
            answer += piece
        assert answer.startswith(b"HTTP/1.1 101"), answer[:300]

    def take(self, delays: array[float]) -> bool:
        """Record the ticks that have arrived; False when the socket has closed."""
        try:
            data = self.socket.recv(RECEIVED)
        except BlockingIOError:
            return True
        now = time.monotonic_ns()
        if not data:
            return False
        data = self._tail + data
        for number, written in TICK.findall(data):
            new = int(number)
            if new > self.newest:
                self.missed += new - self.newest - 1
                self.newest = new
                delays.append((now - int(written)) / 1e6)
        self._tail = data[-LONGEST_TICK:]
        return True


def masked(payload: bytes) -> bytes:
    """A text frame of a client, short enough for one length; the mask is all zeros."""
    assert len(payload) < 1 << 16
    size = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + _two(payload)
    return b"\x81" + size + b"\0\0\0\0" + payload


def _two(payload: bytes) -> bytes:
    return len(payload).to_bytes(2, "big")


def main() -> None:
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    last = job["ticks"] - 1
    delays = array("d")
    selector = selectors.DefaultSelector()
    clients: list[Client] = []
    for each in job["clients"]:
        clients.append(Client(job["port"], job["header"], each["path"], each["says"]))
        selector.register(clients[-1].socket, selectors.EVENT_READ, clients[-1])
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    print("connected", flush=True)
    began = time.process_time()
    waiting = set(clients)
    deadline = time.monotonic() + job["seconds"]
    while waiting and time.monotonic() < deadline:
        for key, _ in selector.select(1.0):
            if key.data is None:
                if not os.read(0, BATCH):
                    return
                continue
            client = key.data
            if not client.take(delays):
                selector.unregister(client.socket)
            if client.newest >= last:
                waiting.discard(client)
    late = [client.newest for client in waiting]
    missed = sum(client.missed for client in clients)
    cpu = time.process_time() - began
    about = {"late": late, "missed": missed, "cpu": cpu, "count": len(delays)}
    print(json.dumps(about), flush=True)
    sys.stdout.buffer.write(delays.tobytes())
    sys.stdout.buffer.flush()


main()
