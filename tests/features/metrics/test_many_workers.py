"""Workers under load answer as one: what is counted never falls, even if workers die."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import psutil
import pytest
import requests
from prometheus_client import parser

from tests.features.session_page.test_live_updates import Viewer, begin
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.server import Server

WORKERS = 3
SCRAPES = 12
"""`make bench` has a thousand, of four workers."""
Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def server(
    integration: None, sandbox: Sandbox, start_server: Callable[..., Server]
) -> Iterator[Server]:
    claude = write_stand_in(sandbox.home / "claude")
    yield start_server(sandbox, claude, OPCODE_WORKERS=str(WORKERS))


def scrape(server: Server) -> Samples:
    """On a connection of its own, so that any worker may answer."""
    answer = requests.get(f"{server.url}/metrics", timeout=30)
    assert answer.status_code == 200
    families = parser.text_string_to_metric_families(answer.text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def fallen(before: Samples, after: Samples) -> dict[object, tuple[float, float]]:
    """What is less than before, of all that only grows."""
    grows = ("_total", "_bucket", "_count", "_sum")
    return {
        key: (value, after[key])
        for key, value in before.items()
        if key[0].endswith(grows) and after[key] < value
    }


def test_counters_never_fall(server: Server) -> None:
    pages = [begin(server, [["lines", 3]]) for _ in range(3)]
    viewers = [Viewer(server, page) for page in pages]
    before, killed = scrape(server), 0
    workers = until(lambda: _full(server), "all workers are there")
    for number in range(SCRAPES):
        if number % 3 == 1:
            begin(server, [["lines", 50]])
        if number == SCRAPES // 2:
            victim = workers[0]
            victim.kill()
            killed = victim.pid
        after = scrape(server)
        assert fallen(before, after) == {}, number
        before = after
    assert killed
    until(lambda: len(_full(server)) == WORKERS, "the worker was replaced")
    found = until(lambda: _with(server, "opcode_turns_total", 7), "all turns are counted")
    assert of(found, "opcode_runs_started_total") == 7
    assert of(found, "opcode_workers") == WORKERS
    for viewer in viewers:
        viewer.ws.close()
    # a restart goes on with the counts
    server.stop()
    server.start()
    again = scrape(server)
    assert fallen(found, again) == {}
    assert of(again, "opcode_runs_started_total") == 7
    assert of(again, "opcode_viewers") == 0


def _full(server: Server) -> list[psutil.Process]:
    found = server.worker_processes()
    return found if len(found) == WORKERS else []


def _with(server: Server, name: str, least: float) -> Samples:
    """The samples, once those of a name are so many together; until then none."""
    samples = scrape(server)
    total = sum(value for (each, _), value in samples.items() if each == name)
    return samples if total >= least else {}


def test_a_prompt_and_a_viewer_are_measured(shared_server: Server) -> None:
    server = shared_server  # of one worker, and of nobody else
    began = time.monotonic()
    page = begin(server, [["text", "first"], ["wait", str(server.sandbox.home / "go")]])
    viewer = Viewer(server, page)
    viewer.until("first")
    assert of(scrape(server), "opcode_viewers") == 1
    (server.sandbox.home / "go").touch()
    found = until(lambda: _with(server, "opcode_turns_total", 1), "the turn has ended")
    until(
        lambda: of(scrape(server), "opcode_line_to_fragment_seconds_count") > 0,
        "a message was measured",
    )
    seconds = time.monotonic() - began
    assert of(found, "opcode_first_token_seconds_count", process="new") == 1
    assert 0 < of(found, "opcode_first_token_seconds_sum", process="new") < seconds
    samples = scrape(server)
    count = of(samples, "opcode_line_to_fragment_seconds_count")
    assert of(samples, "opcode_line_to_fragment_seconds_sum") < count * seconds
    claude = {"process": "claude"}
    # the processes are listed every two seconds at most
    until(lambda: of(scrape(server), "opcode_run_processes", **claude) == 1, "Claude is seen")
    until(  # one that is being started has less
        lambda: of(scrape(server), "opcode_run_memory_bytes", **claude) > 1_000_000,
        "its memory is seen",
    )
    assert of(samples, "opcode_runs", state="idle") == 1
    viewer.ws.close()
    until(lambda: of(scrape(server), "opcode_viewers") == 0, "the viewer is gone")
