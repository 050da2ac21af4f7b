"""Jobs: registered while the app is built, started by the worker, stopped in reverse."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import gevent
import pytest
from gevent.event import Event

from opcode_htmx.lib.concurrency import cooperative, jobs
from opcode_htmx.lib.concurrency.jobs import Job, Jobs, every, once_idle
from tests.support.environment import PATIENCE


def noted(name: str, notes: list[str]) -> Job:
    return Job(name, lambda: notes.append(f"+{name}"), lambda: notes.append(f"-{name}"))


def test_jobs_start_in_order_once_and_stop_in_reverse() -> None:
    notes: list[str] = []
    jobs = Jobs()
    for name in ("a", "b"):
        jobs.add(noted(name, notes))
    assert notes == []
    jobs.start()
    jobs.start()
    jobs.add(noted("late", notes))
    jobs.stop()
    jobs.stop()
    assert notes == ["+a", "+b", "+late", "-late", "-b", "-a"]


def test_failing_job_does_not_prevent_other_starts_and_stops(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise OSError("no room")

    notes: list[str] = []
    jobs = Jobs()
    jobs.add(noted("first", notes))
    jobs.add(Job("never", fail, fail))
    jobs.add(Job("stuck", lambda: None, fail))
    jobs.add(noted("last", notes))
    with caplog.at_level(logging.ERROR):
        jobs.start()
        jobs.stop()
    assert notes == ["+first", "+last", "-last", "-first"]
    assert [record.message for record in caplog.records] == [
        "job never could not be started",
        "job stuck could not be stopped",
    ]


def test_periodic_work_goes_on_after_an_exception_until_it_is_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times: list[int] = []
    third = Event()

    def work() -> None:
        times.append(len(times))
        if len(times) == 1:
            raise ValueError("the first time")
        if len(times) == 3:
            third.set()

    job = every(0.001, "count", work)
    assert times == []
    with caplog.at_level(logging.ERROR):
        job.start()
        assert third.wait(PATIENCE)
        job.stop()
    assert [record.message for record in caplog.records] == [
        "job count failed; it runs again in 0 seconds"
    ]
    assert times[:3] == [0, 1, 2]


@pytest.mark.parametrize("late", [once_idle, partial(every, 60.0)])
def test_what_is_ready_at_the_start_comes_before_the_work(
    late: Callable[[str, Callable[[], object]], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    # as on a machine that is not busy: it waits for no longer than 50 ms
    monkeypatch.setattr(jobs, "wait_until_idle", partial(cooperative.wait_until_idle, 10.0))
    notes: list[str] = []
    done = Event()

    def request() -> None:
        for _ in range(3):
            gevent.sleep(0)
        notes.append("request")

    def work() -> None:
        notes.append("job")
        done.set()

    job = late("wait", work)
    job.start()
    gevent.spawn(request)
    assert done.wait(PATIENCE)
    job.stop()
    assert notes == ["request", "job"]
