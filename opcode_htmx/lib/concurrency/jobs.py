"""Background work of one worker: registered while the app is built, started by the worker."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent

from opcode_htmx.lib.concurrency.cooperative import wait_until_idle
from opcode_htmx.lib.concurrency.rounds import TICKS
from opcode_htmx.lib.dataclass import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something that runs beside the requests, between `start` and `stop`."""

    name: str
    start: Callable[[], None]
    stop: Callable[[], None]


def once(name: str, work: Callable[[], object]) -> Job:
    """A job that does `work` beside the requests, once. Its exception is logged."""

    def run() -> None:
        try:
            work()
        except Exception:
            log.exception("job %s failed", name)

    return _in_greenlet(name, run)


def once_idle(name: str, work: Callable[[], object]) -> Job:
    """The same, but requests that are there at the start come first."""

    def work_late() -> None:
        wait_until_idle()
        work()

    return once(name, work_late)


def every(
    seconds: float,
    name: str,
    work: Callable[[], object],
    at_end: Callable[[], object] = lambda: None,
) -> Job:
    """A job that does `work` at its start, and again `seconds` after each time it was done.

    Those are rounded to whole ones. Requests that are there at the start come first. An exception
    of `work` is logged, and the next time comes all the same. `at_end` is called when the job was
    stopped.
    """

    def repeat() -> None:
        wait_until_idle()
        while True:
            try:
                work()
            except Exception:
                log.exception("job %s failed; it runs again in %.0f seconds", name, seconds)
            TICKS.sleep(seconds)

    return _in_greenlet(name, repeat, at_end)


def _in_greenlet(
    name: str, run: Callable[[], None], at_end: Callable[[], object] = lambda: None
) -> Job:
    greenlets: list[gevent.Greenlet[[], None]] = []

    def start() -> None:
        greenlets.append(gevent.spawn(run))

    def stop() -> None:
        gevent.killall(greenlets)
        greenlets.clear()
        at_end()

    return Job(name, start, stop)


class Jobs:
    """The jobs of a worker, in the order in which they are started; they stop in reverse."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._running: list[Job] = []
        self._failed: list[str] = []

    @property
    def are_started(self) -> bool:
        """Whether the worker has started them, and has not stopped them since."""
        return bool(self._running)

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of those that could not be started."""
        return tuple(self._failed)

    def add(self, job: Job) -> None:
        """Register a job; once the others have been started it is started at once."""
        self._jobs.append(job)
        if self._running:
            self._start(job)

    def start(self) -> None:
        """Start every job. A second call changes nothing; a job that fails to start is logged."""
        if not self._running:
            for job in self._jobs:
                self._start(job)

    def stop(self) -> None:
        """Stop what has been started, the last one first."""
        while self._running:
            job = self._running.pop()
            try:
                job.stop()
            except Exception:
                log.exception("job %s could not be stopped", job.name)

    def _start(self, job: Job) -> None:
        try:
            job.start()
        except Exception:
            log.exception("job %s could not be started", job.name)
            self._failed.append(job.name)
        else:
            self._running.append(job)
