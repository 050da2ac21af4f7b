"""gunicorn's arbiter wakes seldom while its workers are well, and as often as before otherwise."""

from __future__ import annotations

import queue
import time
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.arbiter import Arbiter

from opcode_htmx.web.server import late_worker as ours


class Signals:
    """Notes how long the arbiter would wait for a signal."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def get(self, *, block: bool, timeout: float) -> int:
        self.waited.append(timeout)
        raise queue.Empty


def worker(silent: float = 0.2) -> Any:
    return SimpleNamespace(tmp=SimpleNamespace(last_update=lambda: time.monotonic() - silent))


def ended_worker() -> Any:
    def last_update() -> float:
        raise ValueError("I/O operation on closed file")

    return SimpleNamespace(tmp=SimpleNamespace(last_update=last_update))


def pause(*workers: Any, **changed: Any) -> float:
    """How long gunicorn's own arbiter waits in one round of its loop, in seconds."""
    made = Arbiter.__new__(Arbiter)
    made.SIG_QUEUE = signals = Signals()
    state = {"timeout": 60, "master_pid": 0, "reexec_pid": 0, "_num_workers": len(workers)}
    made.__dict__.update(state | changed, WORKERS=dict(enumerate(workers)))
    ours.wake_seldom(made)
    assert made.wait_for_signals(timeout=1.0) == []  # as its loop calls it
    [waited] = signals.waited
    return waited


def test_it_waits_long_while_all_workers_are_well() -> None:
    assert pause(worker(), worker(1.5)) == ours.LONGEST


@pytest.mark.parametrize(
    ("workers", "changed"),
    [
        ([worker(), worker(silent=4.0)], {}),
        ([worker(), ended_worker()], {}),
        ([worker()], {"_num_workers": 2}),
        ([worker()], {"master_pid": 17}),
        ([worker()], {"reexec_pid": 17}),
        ([worker()], {"timeout": 12}),
    ],
    ids=["one-is-silent", "one-ends", "one-is-missing", "upgraded", "upgrades", "short-timeout"],
)
def test_it_looks_each_second_where_there_may_be_something_to_do(
    workers: list[Any], changed: dict[str, Any]
) -> None:
    assert pause(*workers, **changed) == 1.0


def test_a_worker_that_hangs_is_seen_before_its_time_is_over() -> None:
    beats = 1.0 + ours.LONGEST
    assert beats < 60 - ours.BEAT_SECONDS
