"""What is of ours in gunicorn's arbiter: its pauses, and the worker as it knows it.

In its own process the worker loads gevent and becomes the real one. Without gevent the arbiter
takes 4 MB less, which each worker would take once more: counting references copies what both have.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.workers.base import Worker as BaseWorker

from opcode_htmx.lib.late import collecting

LONGEST = 10.0
"""Seconds between two looks at workers that are well, for which gunicorn would wake each second. It
wakes for each signal anyway, and so for the end of a worker."""
BEAT_SECONDS = 3.0
"""A worker says once a second that it is alive. One that has not for so long is looked at each
second, and so replaced as early as by gunicorn itself."""


class LateWorker(BaseWorker):  # type: ignore[misc]
    def init_process(self) -> None:
        """After the fork. The arbiter has set up this very object, so it changes its class."""
        collecting.hardly()
        load_gevent()
        from opcode_htmx.web.server.worker import Worker

        alive = self.__dict__.pop("alive")
        worker: Any = self
        worker.__class__ = Worker
        worker.alive = alive
        worker.worker_connections = self.cfg.worker_connections
        worker.init_process()


class _Declared:
    """In the place of an interface, or of an attribute of one."""

    def __init__(self, *described: object) -> None:
        pass


def _implementer(*interfaces: object) -> Callable[[type], type]:
    return lambda cls: cls


def _version(text: str) -> list[int]:
    return [int(part) for part in text.split(".") if part.isdecimal()]


def load_gevent() -> None:
    """Import gunicorn's gevent worker without libraries of which it uses next to nothing.

    `zope.interface`, with which gevent only describes its classes, `packaging`, which compares one
    version, and gevent's own HTTP server with that of the standard library, which is not ours:
    together 10 ms of a start, and a megabyte. Whatever uses one of them still gets it.
    """
    from opcode_htmx.lib.late.modules import imported_late

    described = dict.fromkeys(("Interface", "Attribute", "classImplements"), _Declared)
    late: dict[str, dict[str, object]] = {
        "zope.interface": {**described, "implementer": _implementer},
        "packaging.version": {"parse": _version},
        "gevent.pywsgi": {"WSGIHandler": object, "WSGIServer": object},
    }
    with imported_late(late):
        import gevent.events  # noqa: F401
        import gunicorn.workers.ggevent  # noqa: F401


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
