"""Cooperative scheduling: yielding lets sockets be polled, and idle work waits."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from threading import Event, get_ident

import gevent
import pytest
from gevent import os as gevent_os
from gevent import socket
from gevent._hub_local import get_hub_if_exists

from opcode_htmx.lib.concurrency import cooperative
from opcode_htmx.lib.concurrency.cooperative import (
    IdleQueue,
    TimeSlicer,
    run_in_thread,
    wait_until_idle,
    yield_to_loop,
    yielding,
)
from tests.support.cli.supervision import until
from tests.support.environment import PATIENCE


def work(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_yielding_lets_other_greenlets_read_their_sockets() -> None:
    here, there = socket.socketpair()
    heard = gevent.spawn(here.recv, 1)
    gevent.sleep(0)
    there.send(b"x")
    for _ in range(3):
        yield_to_loop()
    assert heard.get(block=False) == b"x"
    here.close()
    there.close()


def test_time_slicer_yields_by_time_not_by_count(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[int] = []

    def tick() -> None:
        while True:
            ticks.append(1)
            gevent.sleep(0)

    now = [0.0]
    monkeypatch.setattr(cooperative, "perf_counter", lambda: now[0])
    ticker = gevent.spawn(tick)
    pace = TimeSlicer()
    for _ in range(100):
        pace.step()
    assert not ticks
    now[0] += 1.5 * cooperative.SLICE
    pace.step()
    assert ticks
    ticker.kill()


def test_yielding_preserves_the_items() -> None:
    assert list(yielding(range(5))) == [0, 1, 2, 3, 4]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle work waits for an idle loop for longer than a stall of a busy machine lasts."""
    monkeypatch.setattr(cooperative, "wait_until_idle", partial(wait_until_idle, PATIENCE))


@pytest.mark.usefixtures("patient")
def test_idle_work_waits_until_the_loop_is_idle() -> None:
    order: list[str] = []

    def lines() -> None:
        for number in range(5):
            order.append(f"line {number}")
            gevent.sleep(0)

    def page() -> None:
        with background.slot():
            order.append("page")

    background = IdleQueue()
    pages = [gevent.spawn(page) for _ in range(3)]
    gevent.joinall([*pages, gevent.spawn(lines)])
    assert order == [*(f"line {number}" for number in range(5)), *["page"] * 3]


def test_idle_work_is_not_starved() -> None:
    def never_idle() -> None:
        while True:
            gevent.sleep(0)

    busy = gevent.spawn(never_idle)
    began = time.monotonic()
    wait_until_idle(0.05)
    assert time.monotonic() - began > 0.04
    busy.kill()


def test_idle_slots_are_exclusive_and_released_on_failure() -> None:
    background = IdleQueue()
    inside: list[int] = []

    def take() -> None:
        with background.slot():
            inside.append(1)
            assert len(inside) == 1
            gevent.sleep(0.001)
            inside.pop()

    with pytest.raises(ZeroDivisionError), background.slot():
        raise ZeroDivisionError
    taken = [gevent.spawn(take) for _ in range(5)]
    until(lambda: all(each.ready() for each in taken), "all have had their turn")
    assert all(each.successful() for each in taken)


def test_long_idle_work_lets_shorter_idle_work_pass() -> None:
    order: list[str] = []

    def long() -> None:
        with background.slot() as turn:
            for _ in range(5):
                work(2 * cooperative.IDLE_SLICE)
                turn.step()
            order.append("long")

    def short() -> None:
        with background.slot():
            order.append("short")

    background = IdleQueue()
    gevent.joinall([gevent.spawn(long), gevent.spawn(short)])
    assert order == ["short", "long"]


@pytest.mark.usefixtures("patient")
def test_killed_waiter_passes_its_idle_slot_on() -> None:
    background = IdleQueue()
    killed = gevent.spawn(background.slot().__enter__)
    gevent.sleep(0)
    assert background.lock.locked()
    assert not killed.ready(), "it has the turn, and waits for quiet"
    killed.kill()
    with gevent.Timeout(PATIENCE), background.slot():
        pass


# Aside ----------------------------------------------------------------------------------------


def test_run_in_thread_blocks_no_other_greenlet() -> None:
    another_ran = Event()

    def tick() -> None:
        for _ in range(10):
            gevent.sleep(0.001)
        another_ran.set()

    ticker = gevent.spawn(tick)
    assert run_in_thread(another_ran.wait, timeout=PATIENCE)
    ticker.join()


def test_run_in_thread_completes_under_load() -> None:
    """A hub that never waits would take the interpreter again before the thread has woken up."""
    done = gevent.spawn(run_in_thread, work, 0.05)
    while not done.ready():
        gevent.sleep(0)
    assert done.get() is None


def test_run_in_thread_raises_the_original_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ZeroDivisionError):
        run_in_thread(lambda: 1 // 0)
    assert capfd.readouterr().err == ""


def test_run_in_thread_inside_a_thread_runs_directly() -> None:
    threads = run_in_thread(lambda: (get_ident(), run_in_thread(get_ident)))
    assert threads[0] == threads[1] != get_ident()


def test_yielding_in_a_worker_thread_creates_no_hub() -> None:
    def work() -> object:
        cooperative.yield_to_loop()
        return get_hub_if_exists()

    assert cooperative.run_in_thread(work) is None


def test_a_thread_that_has_used_gevent_closes_files_as_any_other(tmp_path: Path) -> None:
    descriptors = [os.open(tmp_path, os.O_RDONLY) for _ in range(2)]

    def work(descriptor: int) -> int:
        gevent.sleep(0.001)
        gevent_os.close(descriptor)
        return get_ident()

    for descriptor in descriptors:
        run_in_thread(work, descriptor)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    assert run_in_thread(get_hub_if_exists) is None
