"""The pages of changes in a repository of 100,000 files, against a bare `git status` there.

The floor is taken right before each sample, so that both have the same machine.
"""

from __future__ import annotations

import http.client
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from bench.data import large_tree
from bench.figures import Figure, Target
from bench.server import health, running_server
from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.lib.git.changes import reading
from opcode_htmx.lib.git.git import Git
from tests.support.clients import api
from tests.support.environment import Sandbox, basic_header, write_stand_in
from tests.support.server import Server

SAMPLES = 15
SESSION = "5e551000-0000-4000-8000-000000000018"

STATUS = Target("ratio", 1.3)
AFTER = Target("median", 200)
POLL = Target("median", 10)
STALL = Target("worst", 50)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sandbox = Sandbox(home / "home").make()
        large_tree.make(sandbox.project, sandbox.home)
        prompt = api.prompt("Grow", sandbox.project, time.time())
        api.session(sandbox.config_dir, sandbox.project, prompt, SESSION)
        return list(_figures(sandbox, write_stand_in(home / "claude")))


def _figures(sandbox: Sandbox, claude: Path) -> Iterator[Figure]:
    project = sandbox.project
    base = f"/projects/{project_id(project)}/sessions/{SESSION}/changes"

    def bare() -> float:
        return _ms(lambda: large_tree.git(project, sandbox.home, "status"))

    large_tree.change(project, large_tree.CHANGED)
    yield _against("The status that the pages read", bare, _status(sandbox), STATUS)
    with running_server(sandbox, claude) as server:
        health(server)  # loads the API, in pieces
        idle = health(server)["worst_ms"]
        _get(server, base)
        for count in (large_tree.CHANGED, large_tree.MANY):
            large_tree.change(project, count)
            for name in ("commit", "session"):
                what = f"{count:,} changed files since the {name}: the page, after a bare status"
                yield _after(what, bare, _page(server, f"{base}?base={name}"), AFTER)
        large_tree.git(project, sandbox.home, "commit", "--quiet", "--all", "--message", "grow")
        what = (
            f"{large_tree.MANY:,} files committed since the session: the page, after a bare status"
        )
        yield _after(what, bare, _page(server, f"{base}?base=session"), AFTER)
        large_tree.change_long(project)
        long = f"{base}/file?base=commit&path=long.txt&side=unstaged"
        _get(server, long)
        for what, at in (("first", 0), ("last", 2 * large_tree.LONG - 200)):
            diff = f"{long}&at={at}"
            yield _against(
                f"The {what} part of a diff of {2 * large_tree.LONG:,} lines",
                _bare_diff(sandbox),
                _page(server, diff),
            )
        yield _polls(server, base)
        worst = health(server)["worst_ms"]
        yield Figure("The hub was held, at most", "ms", [worst], "no request", [idle], STALL)


def _status(sandbox: Sandbox) -> Callable[[], float]:
    environment: Mapping[str, str] = sandbox.environment()

    def read() -> None:
        git = Git.at(sandbox.project, environment)
        assert git
        assert len(reading.status(git).changes) == large_tree.CHANGED

    return lambda: _ms(read)


def _bare_diff(sandbox: Sandbox) -> Callable[[], float]:
    return lambda: _ms(
        lambda: large_tree.git(sandbox.project, sandbox.home, "diff", "--", "long.txt")
    )


def _page(server: Server, path: str) -> Callable[[], float]:
    return lambda: _ms(lambda: _get(server, path))


def _against(
    what: str, floor: Callable[[], float], sample: Callable[[], float], target: Target | None = None
) -> Figure:
    pairs = [(floor(), sample()) for _ in range(SAMPLES)]
    floors, samples = zip(*pairs, strict=True)
    return Figure(what, "ms", samples, "the bare command", floors, target)


def _after(
    what: str, floor: Callable[[], float], sample: Callable[[], float], target: Target
) -> Figure:
    """How much longer than the floor a sample takes."""
    pairs = [(floor(), sample()) for _ in range(SAMPLES)]
    floors = [each for each, _ in pairs]
    return Figure(what, "ms", [b - a for a, b in pairs], "a bare status", floors, target)


def _polls(server: Server, base: str) -> Figure:
    """What an idle page asks every few seconds, and what the same connection costs at least."""
    page = _get(server, f"{base}?base=commit")
    found = re.search(r'data-digest="(\w+)"', page)
    assert found
    address = f"{base}/state?base=commit&seen={found[1]}"
    samples = [_ms(lambda: _get(server, address, 204)) for _ in range(SAMPLES)]
    floors = [_ms(lambda: _get(server, "/healthz")) for _ in range(SAMPLES)]
    return Figure("A poll while nothing changes", "ms", samples, "/healthz", floors, POLL)


def _get(server: Server, path: str, status: int = 200) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("GET", path, headers=basic_header())
        response = connection.getresponse()
        content = response.read()
        assert response.status == status, (path, response.status)
        return content.decode()


def _ms(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000
