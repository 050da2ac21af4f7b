"""The first load of Home and of a session page with 50 blocks: bytes, first paint, and requests
kept alive."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

from bench.data import history, many_sessions
from bench.figures import Figure, Target
from bench.floors.bare_page import MAIN, bare
from bench.server import running_server
from bench.traffic.loads import (
    Conditions,
    Load,
    load,
    phone,
)
from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import ROOT, SYSTEM_PATH, Sandbox, write_stand_in
from tests.support.server import Server

TURNS = 5
BLOCKS = TURNS * history.BLOCKS_PER_TURN
PROJECTS, SESSIONS, LINES = 10, 5, 40
"""Of the history that Home shows the newest of."""
REQUESTS = 60
SLOW_CPU = Conditions(cpu_slowdown=4)
SLOW_LINE = Conditions(line=(1.6e6, 150))
ONLY_GZIP = Conditions(encodings="gzip")
"""What a browser accepts over plain http; over https, and on this computer, it takes brotli too."""
SETTLING_MS = 500
"""Time after the load for the page's own requests."""


@dataclass(frozen=True, slots=True)
class Address:
    """A page's URL, and the cookies of its request."""

    url: str
    cookies: Mapping[str, str]


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sandbox = Sandbox(home / "home").make()
        with running_server(sandbox, write_stand_in(home / "claude")) as server:
            app, text = session_page(server)
            front, front_text = _home_page(server)
            with ExitStack() as stack:
                floor = stack.enter_context(_bare_server(home / "bare.html", bare(text)))
                front_floor = stack.enter_context(
                    _bare_server(home / "front.html", bare(front_text, MAIN))
                )
                browser = stack.enter_context(phone())
                return [
                    *_weights(browser, app, floor),
                    *_paints(browser, "Home", front, front_floor),
                    *_paints(browser, "A session", app, floor),
                    *_kept_alive(server, app, floor),
                ]


def _home_page(server: Server) -> tuple[Address, str]:
    """The address of Home and its HTML, with sessions of several projects."""
    config_dir = server.sandbox.config_dir
    many_sessions.generate(config_dir, projects=PROJECTS, sessions=SESSIONS, lines=LINES)
    answer = server.get("/")
    assert answer.ok, answer.status_code
    cookies = {cookie.name: cookie.value or "" for cookie in answer.cookies}
    return Address(answer.url, cookies), answer.text


@contextmanager
def _bare_server(file: Path, text: str) -> Iterator[Address]:
    file.write_text(text, encoding="utf-8")
    with file_server(file) as address:
        yield address


def session_page(server: Server) -> tuple[Address, str]:
    """The address of a session page with BLOCKS blocks, and the HTML that shows them all."""
    project = server.sandbox.project
    name = project_id(project)
    file = server.sandbox.config_dir / "projects" / name / f"{history.SESSION_ID}.jsonl"
    history.write(file, project, TURNS)
    answer = server.get(f"/projects/{name}/sessions/{history.SESSION_ID}")
    # The first response holds the newest blocks and a link to the earlier ones
    way = re.search(r'href="([^"#]+\?from=[^"#]+)', answer.text)
    assert way, "the page has no way to what came earlier"
    whole = server.get(way[1]).text
    shown = whole.count("<article ")
    assert shown == BLOCKS, f"the page shows {shown} blocks"
    cookies = {cookie.name: cookie.value or "" for cookie in answer.cookies}
    return Address(f"{answer.url}#end", cookies), whole


@contextmanager
def file_server(file: Path) -> Iterator[Address]:
    """A plain server of one file, in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.floors.bare_page", str(file)],
        cwd=ROOT,
        env={"PATH": SYSTEM_PATH},
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        yield Address(f"http://127.0.0.1:{int(server.stdout.readline())}/", {})
    finally:
        server.kill()
        server.communicate()


def _weights(browser: Browser, app: Address, floor: Address) -> Iterator[Figure]:
    def loads(address: Address, conditions: Conditions) -> list[Load]:
        return [
            load(browser, address.url, address.cookies, conditions, _read_to_the_top)
            for _ in range(3)
        ]

    ours, gzipped = loads(app, Conditions()), loads(app, ONLY_GZIP)
    floor_kb = [each.total_bytes / 1e3 for each in loads(floor, Conditions())]
    for name, sizes, target in (
        ("Everything transferred", [each.total_bytes for each in ours], Target("median", 50)),
        (
            "JavaScript of it",
            [each.bytes_by_type["Script"] for each in ours],
            Target("median", 30),
        ),
        ("Everything, over plain http", [each.total_bytes for each in gzipped], None),
    ):
        kilobytes = [size / 1e3 for size in sizes]
        yield Figure(name, "KB", kilobytes, "bare page", floor_kb, target)


def _read_to_the_top(page: Page) -> None:
    """Wait for the socket's messages and for the earlier blocks."""
    page.wait_for_timeout(SETTLING_MS)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(SETTLING_MS)
    shown = page.locator("article").count()
    assert shown == BLOCKS, f"the page shows {shown} blocks"


def _paints(browser: Browser, page: str, app: Address, floor: Address) -> Iterator[Figure]:
    for name, conditions, loads, target in (
        (f"{page}: first paint, CPU slowed 4×", SLOW_CPU, 121, Target("ratio", 1.25)),
        (f"{page}: first paint, 1.6 Mbit/s and 150 ms", SLOW_LINE, 25, Target("ratio", 1.4)),
    ):  # on a slowed CPU single loads differ by a factor of two
        ours, bare_ms = [], []
        for _ in range(loads):  # alternating, so that both see the same load of the machine
            bare_ms.append(load(browser, floor.url, floor.cookies, conditions).paint_ms)
            ours.append(load(browser, app.url, app.cookies, conditions).paint_ms)
        yield Figure(name, "ms", ours, "bare page", bare_ms, target)


def _kept_alive(server: Server, app: Address, floor: Address) -> Iterator[Figure]:
    """A server that waits for an ACK before it sends the rest shows as 40 ms per request."""
    cookie = "; ".join(f"{name}={value}" for name, value in app.cookies.items())
    bare_ms = sequential(floor.url, "")
    for name, url in (
        ("The page again on one connection", app.url),
        ("A small answer on one connection", f"{server.url}/healthz"),
    ):
        yield Figure(
            name, "ms", sequential(url, cookie), "bare page", bare_ms, Target("median", 40)
        )


def sequential(url: str, cookie: str) -> list[float]:
    """Milliseconds of each of REQUESTS requests on one connection, after a first one to warm up."""
    parts = urlsplit(url)
    headers = {"Accept-Encoding": "gzip", **({"Cookie": cookie} if cookie else {})}
    taken = []
    with closing(http.client.HTTPConnection(parts.netloc, timeout=20)) as connection:
        for _ in range(REQUESTS + 1):
            began = time.perf_counter()
            connection.request("GET", parts.path, headers=headers)
            response = connection.getresponse()
            response.read()
            taken.append((time.perf_counter() - began) * 1e3)
            assert response.status == 200, response.status
            assert not response.will_close, "the server closes the connection"
    return taken[1:]
