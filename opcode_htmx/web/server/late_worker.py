"""What runs in gunicorn's arbiter, which only waits: its pauses, and the worker as it knows it.

In its own process the worker loads gevent and becomes the real one. Without gevent the arbiter
takes 4 MB less, which each worker would take once more: counting references copies what both have.
"""

from __future__ import annotations

import gc
import time
from functools import partial
from typing import Any

from gunicorn.workers.base import Worker as BaseWorker

LONGEST = 10.0
"""Seconds between two looks at workers that are well, for which gunicorn would wake each second. It
wakes for each signal anyway, and so for the end of a worker."""
BEAT_SECONDS = 3.0
"""A worker says once a second that it is alive. One that has not for so long is looked at each
second, and so replaced as early as by gunicorn itself."""


class LateWorker(BaseWorker):  # type: ignore[misc]
    def init_process(self) -> None:
        """After the fork. The arbiter has set up this very object, so it changes its class."""
        # What is imported stays, so collections would take time for nothing; see app.py
        gc.set_threshold(1_000_000)
        from opcode_htmx.web.server.worker import Worker

        alive = self.__dict__.pop("alive")
        worker: Any = self
        worker.__class__ = Worker
        worker.alive = alive
        worker.worker_connections = self.cfg.worker_connections
        worker.init_process()


def wake_seldom(arbiter: Any) -> None:
    """To be called before the arbiter runs."""
    arbiter.wait_for_signals = partial(_wait, arbiter, arbiter.wait_for_signals)


def _wait(arbiter: Any, wait: Any, timeout: float = 1.0) -> Any:
    return wait(timeout=LONGEST if _all_is_well(arbiter) else timeout)


def _all_is_well(arbiter: Any) -> bool:
    """Whether nothing but a signal can give it work within the next LONGEST seconds."""
    workers = list(arbiter.WORKERS.values())
    is_alone = not (arbiter.master_pid or arbiter.reexec_pid)  # else two are at an upgrade
    try:
        silent = max((_seconds_silent(each) for each in workers), default=0.0)
    except (OSError, ValueError):  # one has just ended
        return False
    return (
        is_alone
        and len(workers) >= arbiter.num_workers
        and silent < BEAT_SECONDS
        and arbiter.timeout >= 2 * LONGEST
    )


def _seconds_silent(worker: Any) -> float:
    now: float = time.monotonic()
    return now - float(worker.tmp.last_update())
