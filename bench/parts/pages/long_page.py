"""The page of one very long session: its newest message, the pages before it, and the memory.

Each opening is that of a session which the server has not read before: a link to the same file
under another id.
"""

from __future__ import annotations

import http.client
import re
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from playwright.sync_api import Browser

from bench.data import history, long_session
from bench.figures import Figure, Target
from bench.floors.bare_page import bare
from bench.parts.pages.page import Address, file_server
from bench.server import running_server
from bench.traffic.loads import PHONE, Conditions, phone
from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import Sandbox, basic_header, write_stand_in
from tests.support.server import Server

SIZES = (50_000_000, 500_000_000)
OPENINGS, OLDER = 9, 30
COLD = (1_000, 10_000, 100_000)
LINE_BYTES = 2_500
"""On average: 50 MB are 20,000 lines."""
SLOW_CPU = Conditions(cpu_slowdown=4)
LINES = 140
BLOCKS = LINES * history.BLOCKS_PER_TURN // 16
"""As many blocks come of so many lines: a turn has 16."""
READING_SECONDS = 0.4
"""Between two pages, as one scrolls; they come from far above what is in view."""
IDLE_SECONDS, IDLE_SHARE = 0.7, 0.05
"""A server that has used no more of the CPU for so long reads nothing in the background."""
SEEN = """selector => {
    const watcher = new IntersectionObserver(entries => {
        if (entries.some(each => each.isIntersecting))
            window.seenAt ??= performance.now();
    });
    const look = () => {
        const element = document.querySelector(selector);
        if (element) watcher.observe(element);
        if (!window.seenAt) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""
"""Notes the end of the first frame in which an element is in view. No layout is forced for it."""


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sandbox = Sandbox(home / "home").make()
        with running_server(sandbox, write_stand_in(home / "claude")) as server, phone() as browser:
            first = write(sandbox, 2_500_000)[0]
            bare_file = home / "bare.html"
            bare_file.write_text(bare_tail(server, first), encoding="utf-8")
            with file_server(bare_file) as floor:
                small, large = (
                    list(_figures(sandbox, server, browser, floor, size)) for size in SIZES
                )
                cold = [each for lines in COLD for each in _cold(sandbox, server, lines)]
                return [*small, *_compared(small, large), *cold]


def _compared(small: Sequence[Figure], large: Sequence[Figure]) -> Iterator[Figure]:
    """The figures of a larger session: it opens as fast, and its memory has no limit of its own."""
    for less, more in zip(small, large, strict=True):
        if more.unit == "MB":
            yield replace(more, target=None)
        elif more.target and more.target.of == "ratio":
            yield replace(more, floor_is="50 MB", floor_samples=less.samples)
        else:
            yield more


def _cold(sandbox: Sandbox, server: Server, lines: int) -> Iterator[Figure]:
    """The page of a session that the server has not read, and what it takes to keep it."""
    other, *paths = write(sandbox, lines * LINE_BYTES, OPENINGS + 1)
    (worker,) = psutil.Process(server.pid).children()
    name, opened, health = f"{lines:,} lines, cold", [], []
    for path in ("/", other):  # it is the session that is cold, not the server
        assert server.get(path).ok
        wait_until_idle(worker)
    before = worker.memory_info().rss
    for path in paths:
        health.append(answered_ms(server, "/healthz"))
        opened.append(answered_ms(server, path))
        wait_until_idle(worker)
        if path == paths[0]:
            grown = (worker.memory_info().rss - before) / 1e6
    yield Figure(f"{name}: the page", "ms", opened, "/healthz", health, Target("median", 60))
    file = [lines * LINE_BYTES / 1e6]
    yield Figure(
        f"{name}: memory of the server", "MB", [grown], "the file", file, Target("worst", 5)
    )


def write(sandbox: Sandbox, size: int, links: int = 0) -> list[str]:
    """The paths of the pages of a new session, and of `links` others with the same file."""
    project = sandbox.project
    name = project_id(project)
    folder = sandbox.config_dir / "projects" / name
    ids = [str(uuid.uuid4()) for _ in range(1 + links)]
    long_session.write(folder / f"{ids[0]}.jsonl", project, size)
    for each in ids[1:]:
        (folder / f"{each}.jsonl").hardlink_to(folder / f"{ids[0]}.jsonl")
    return [f"/projects/{name}/sessions/{each}" for each in ids]


def bare_tail(server: Server, path: str) -> str:
    """The newest BLOCKS blocks as plain HTML, with an anchor at their end."""
    newest = server.get(path).text
    way = re.search(r'data-earlier="([^"]+)"', newest)
    assert way, "the page has no way to what came earlier"
    ids = re.findall(r'<article [^>]*id="b-([^"]+)"', server.get(unescape(way[1])).text + newest)
    page = bare(server.get(f"{path}?from={ids[-BLOCKS]}").text)
    assert page.count("<article>") == BLOCKS, page.count("<article>")
    return page.replace("</body>", '<p id="newest">.</p></body>')


def _figures(
    sandbox: Sandbox, server: Server, browser: Browser, floor: Address, size: int
) -> Iterator[Figure]:
    paths = write(sandbox, size, 3 * OPENINGS)
    megabytes = f"{size / 1e6:.0f} MB"
    (worker,) = psutil.Process(server.pid).children()
    wait_until_idle(worker)
    before, older = worker.memory_info().rss, []
    path = paths[-1]
    page = server.get(path).text
    wait_until_idle(worker)
    opened = (worker.memory_info().rss - before) / 1e6
    for _ in range(OLDER):
        time.sleep(READING_SECONDS)
        way = re.search(r'data-earlier="([^"]+)"', page)
        assert way, "there is nothing before this page"
        began = time.perf_counter()
        page = server.get(unescape(way[1])).text
        older.append((time.perf_counter() - began) * 1e3)
    grown = (worker.memory_info().rss - before) / 1e6
    health = [answered_ms(server, "/healthz") for _ in range(OLDER)]
    name = f"{megabytes}: a page of 100 older messages"
    yield Figure(name, "ms", older, "/healthz", health, Target("median", 50))
    file = [size / 1e6]
    name = f"{megabytes}: memory of the server, opened"
    yield Figure(name, "MB", [opened], "the file", file, Target("worst", 10))
    name = f"{megabytes}: and {OLDER} pages further up"
    yield Figure(name, "MB", [grown], "the file", file, Target("worst", 10))

    seen: list[float] = []
    again: list[float] = []
    bare_ms: list[float] = []
    for path in paths[:OPENINGS]:  # alternating, so that both see the same load of the machine
        wait_until_idle(worker)
        bare_ms.append(seen_ms(browser, f"{floor.url}#newest", {}, "#newest"))
        cookies = {each.name: each.value or "" for each in server.get("/runs").cookies}
        for samples in (seen, again):
            wait_until_idle(worker)
            address = f"{server.url}{path}#end"
            samples.append(seen_ms(browser, address, cookies, "article:last-of-type"))
    for what, samples in (("newest message visible", seen), ("and when opened again", again)):
        name = f"{megabytes}: {what}, CPU slowed 4×"
        yield Figure(name, "ms", samples, "bare page of 140 lines", bare_ms, Target("ratio", 1.3))

    first_bytes, health = [], []
    for path in paths[OPENINGS : 2 * OPENINGS]:
        wait_until_idle(worker)
        health.append(answered_ms(server, "/healthz"))
        first_bytes.append(answered_ms(server, path))
    yield Figure(f"{megabytes}: the page, first opened", "ms", first_bytes, "/healthz", health)


def seen_ms(browser: Browser, url: str, cookies: Mapping[str, str], selector: str) -> float:
    """Milliseconds from the navigation until an element is in view, in a new browser context."""
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    try:
        for name, value in cookies.items():
            context.add_cookies([{"name": name, "value": value, "url": url}])
        page = context.new_page()
        SLOW_CPU.apply(context.new_cdp_session(page))
        page.add_init_script(f"({SEEN})({selector!r})")
        page.goto(url, wait_until="load")
        page.wait_for_function("window.seenAt", timeout=60_000)
        return float(page.evaluate("window.seenAt"))
    finally:
        context.close()


def wait_until_idle(process: psutil.Process) -> None:
    """Wait until a process does nothing any more."""
    used = None
    while used is None or used > IDLE_SHARE * IDLE_SECONDS:
        before = sum(process.cpu_times()[:2])
        time.sleep(IDLE_SECONDS)
        used = sum(process.cpu_times()[:2]) - before


def answered_ms(server: Server, path: str) -> float:
    """Milliseconds until a response has come as a whole, on a new connection."""
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)) as connection:
        began = time.perf_counter()
        connection.request("GET", path, headers=basic_header())
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status
        return (time.perf_counter() - began) * 1e3
