"""Ticks, which a stand-in for Claude writes at a pace, and their arrival by the app or a bare tail.

The stand-in is `ticker.py`: each of its lines holds the time at which it was written.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import websocket

from tests.support.environment import ROOT, SYSTEM_PATH
from tests.support.server import Server

TICKER = Path(__file__).with_name("ticker.py")
TICK = re.compile(rb"tick(\d+)at(\d+) ")
SILENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Series:
    """`count` ticks, each after about `pause` seconds."""

    kind: str
    count: int
    pause: float


def write_ticker(folder: Path) -> Path:
    """The stand-in as a program that the app can start."""
    ticker = folder / "claude"
    ticker.write_text(f"#!{sys.executable}\n{TICKER.read_text(encoding='utf-8')}", "utf-8")
    ticker.chmod(0o700)
    return ticker


def begin(server: Server) -> str:
    """Begin a session whose ticker waits for its first series; return its address."""
    fields = prompt_fields({"count": 0}, folder=server.sandbox.project, session_id=uuid.uuid4())
    begun = server.post("/sessions", fields)
    assert begun.status_code == 303, begun.text
    return begun.headers["Location"].removesuffix("#end")


def through_app(server: Server, series: Series) -> list[float]:
    """Milliseconds of each tick, through gunicorn and the app to the page's socket."""
    with prompted(server, series) as (page, _):
        return arrivals(lambda: page.recv_data()[1], series.count)


@contextmanager
def prompted(server: Server, series: Series) -> Iterator[tuple[websocket.WebSocket, str]]:
    """The socket of a new session's page to which a series comes, and the page's address."""
    address = begin(server)
    with page_of(server, address) as page:
        prompt(server, address, series)
        yield page, address


def prompt(server: Server, address: str, series: Series) -> None:
    """Have the ticker of a session write a series."""
    sent = server.post(f"{address}/prompt", prompt_fields(asdict(series)))
    assert sent.status_code == 303, sent.text


@contextmanager
def page_of(server: Server, address: str) -> Iterator[websocket.WebSocket]:
    """The socket of a session's page, which has had its first message."""
    cookies = server.get(address).cookies
    with closing(
        websocket.create_connection(
            f"{server.url.replace('http', 'ws')}{address}/live",
            origin=server.url,
            cookie="; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies),
            timeout=SILENCE_SECONDS,
            skip_utf8_validation=True,
        )
    ) as page:
        page.recv()
        yield page


def floor(series: Series) -> list[float]:
    """Milliseconds of each tick, through a bare tail."""
    with bare_tail(series) as client:
        return arrivals(lambda: client.recv(1 << 20), series.count)


@contextmanager
def bare_tail(series: Series) -> Iterator[socket.socket]:
    """The socket of a bare tail through which a series comes."""
    with (
        tempfile.NamedTemporaryFile() as file,
        tail_of(Path(file.name)) as (_, port),
        socket.create_connection(("127.0.0.1", port), SILENCE_SECONDS) as client,
        bare_ticker(Path(file.name), series),
    ):
        yield client


@contextmanager
def tail_of(*files: Path) -> Iterator[tuple[int, int]]:
    """The pid of a bare tail of these files, and the port where it waits for their clients."""
    tail = subprocess.Popen(
        [sys.executable, "-m", "bench.floors.bare_tail", *map(str, files)],
        cwd=ROOT,
        env={"PATH": SYSTEM_PATH},
        stdout=subprocess.PIPE,
    )
    assert tail.stdout is not None
    try:
        yield tail.pid, int(tail.stdout.readline())
    finally:
        tail.kill()
        tail.communicate()


@contextmanager
def bare_ticker(file: Path, series: Series) -> Iterator[None]:
    """A ticker that writes a series to a file."""
    command = [sys.executable, str(TICKER), "--bare", json.dumps(asdict(series))]
    with (
        file.open("ab") as output,
        subprocess.Popen(command, env={"PATH": SYSTEM_PATH}, stdout=output),
    ):
        yield


def arrivals(receive: Callable[[], bytes], count: int) -> list[float]:
    """Milliseconds from the write of each tick to the first message that contains it."""
    seen: dict[bytes, float] = {}
    while len(seen) < count:
        message = receive()
        now = time.monotonic_ns()
        for number, written in TICK.findall(message):
            seen.setdefault(number, (now - int(written)) / 1e6)
    return list(seen.values())


def prompt_fields(series: dict[str, object], **more: object) -> dict[str, str]:
    """The form of a prompt that asks the ticker for a series."""
    text = json.dumps({"kind": "lines", "pause": 0.0, **series})
    fields = {"prompt_id": uuid.uuid4(), "prompt": text, **more}
    return {name: str(value) for name, value in fields.items()}
