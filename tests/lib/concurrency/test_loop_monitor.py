"""Stalls of the event loop are measured exactly, attributed and reported to the operator."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent import monkey

from opcode_htmx.lib.concurrency import loop_monitor
from opcode_htmx.lib.concurrency.alarm import Alarm, PollingAlarm, alarm
from opcode_htmx.lib.concurrency.loop_monitor import LIMIT, Health, LoopMonitor
from tests.support.cli.supervision import until
from tests.support.environment import PATIENCE, Sandbox
from tests.support.server import Server

blocking_sleep: Callable[[float], None] = monkey.get_original("time", "sleep")


@pytest.fixture(params=[alarm, PollingAlarm])
def stalls(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LoopMonitor]:
    monkeypatch.setattr(loop_monitor, "alarm", request.param)
    stalls = LoopMonitor()
    stalls.start()
    gevent.sleep(0.01)  # the turn that goes on is not measured
    yield stalls
    stalls.stop()


def hold_the_hub(is_over: Callable[[], bool]) -> None:
    while not is_over():
        blocking_sleep(LIMIT / 10)


def compute_until(is_over: Callable[[], bool]) -> None:
    while not is_over():
        pass


@pytest.mark.parametrize("how", [hold_the_hub, compute_until])
def test_loop_stall_is_measured_and_its_cause_named(
    stalls: LoopMonitor,
    how: Callable[[Callable[[], bool]], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop_monitor, "LOG_SECONDS", 0.0)  # a busy machine may stall it before
    before, began = stalls.health, time.monotonic()

    def names_it(calls: Iterable[str]) -> bool:
        return any(call.endswith(f"in {how.__name__}") for call in calls)

    def is_over() -> bool:
        """The thread that looks at it has had its turn, if the machine gives it one."""
        seconds = time.monotonic() - began
        return seconds > PATIENCE or (seconds > 3 * LIMIT and names_it(stalls._sampled[1]))

    def noted() -> Health | None:
        health = stalls.health
        return health if health.last and names_it(health.last.by) else None

    with caplog.at_level(logging.WARNING):
        gevent.spawn(how, is_over).join()
        after = until(noted, "it was noted")
    assert after
    assert after.last
    assert after.stalls > before.stalls
    assert after.worst >= after.last.seconds >= 3 * LIMIT
    assert after.worst_of_minute == after.worst
    assert how.__name__ in caplog.text


@pytest.mark.parametrize("kind", [alarm, PollingAlarm])
def test_alarm_rings_only_if_it_is_not_disarmed_in_time(kind: Callable[[float], Alarm]) -> None:
    seconds = 0.3
    each, rung = kind(seconds), list[float]()

    def wait() -> None:
        while not is_over:
            each.wait()
            rung.append(time.monotonic())
        each.dispose()

    is_over = False
    waiting = gevent.get_hub().threadpool.spawn(wait)

    def is_silent() -> bool:
        """On a busy machine the time may be over before it is disarmed."""
        rung.clear()
        for _ in range(4):
            each.arm()
            each.disarm()
        gevent.sleep(2 * seconds)
        return not rung

    until(is_silent, "it does not ring")
    armed = time.monotonic()
    each.arm()
    until(lambda: rung, "it rings")
    assert rung[0] - armed >= seconds
    is_over = True
    each.close()
    waiting.get()


def test_consecutive_short_blocks_count_as_a_stall(stalls: LoopMonitor) -> None:
    gevent.joinall([gevent.spawn(blocking_sleep, LIMIT / 8) for _ in range(16)])
    until(lambda: stalls.health.stalls, "it was noted")
    assert stalls.health.worst >= LIMIT


def test_idle_loop_is_no_stall(stalls: LoopMonitor) -> None:
    def is_well() -> bool:
        """On a busy machine even an idle loop stalls now and then."""
        before = stalls.health.stalls
        gevent.sleep(4 * LIMIT)
        return stalls.health.stalls == before and stalls.health.busy < 0.5

    until(is_well, "what is waited for is no stall")


def test_stall_logging_is_rate_limited(
    stalls: LoopMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            gevent.spawn(blocking_sleep, 1.2 * LIMIT).join()
            gevent.sleep(0.001)
        until(lambda: stalls.health.stalls >= 4, "all are counted")
    logged = [*caplog.get_records("setup"), *caplog.get_records("call")]
    assert sum("the event loop was blocked" in each.message for each in logged) == 1


def test_loop_health_is_on_a_page_and_in_json(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, stand_in)
    page = server.get("/server").text
    assert re.search(r"Longest pause in the last minute</dt>\s*<dd>[\d.]+ ms", page), page
    health = server.get("/api/health").json()["data"]
    assert health["worst_ms"] > 0
    assert health["limit_ms"] == LIMIT * 1e3
    assert health["since"] <= time.time()
