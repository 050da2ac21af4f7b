"""Follow the runs that this worker owns, and hand their spans to the exporter.

Events come in the worker that owns the run. It reads the run's output as well, for the tools and
their times. Another worker that takes over goes on with what comes from then on.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping

import gevent
from gevent.lock import RLock

from opcode_htmx.features.tracing.run_trace import RunTrace, root_id
from opcode_htmx.lib.tracing.exporter import SpanExporter
from opcode_htmx.lib.tracing.spans import traceparent
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.events.types import RunEnded, RunEvent, RunStarted
from opcode_htmx.runs.following.output_follower import OutputFollower
from opcode_htmx.runs.supervisor import RunNotFound, Supervisor

log = logging.getLogger(__name__)

CHECK_SECONDS = 30.0
"""How often to look at a run without a notification."""


def claude_variables(run_id: str) -> Mapping[str, str]:
    """What Claude's environment has besides, so that its own spans are below those of the run."""
    return {"TRACEPARENT": traceparent(run_id, root_id(run_id)), "TRACESTATE": ""}


class Tracer:
    """The traces of the runs of one worker."""

    def __init__(self, runs: Supervisor, exporter: SpanExporter) -> None:
        self._runs = runs
        self._exporter = exporter
        self._followed: dict[str, _Followed] = {}

    def event(self, event: RunEvent) -> None:
        """To be called with every event of this worker, in order."""
        followed = self._followed.get(event.run_id)
        if followed is None:
            try:
                run = self._runs.get(event.run_id)
            except RunNotFound:
                return  # its folder is gone
            is_new = isinstance(event, RunStarted)
            followed = self._followed[run.id] = _Followed(run, 0 if is_new else run.read_to)
            if run.live:
                followed.start(self._runs)
        followed.catch_up()
        for span in followed.trace.event(event):
            self._exporter.add(span)
        if isinstance(event, RunEnded):
            self._followed.pop(event.run_id).stop()

    def stop(self) -> None:
        while self._followed:
            self._followed.popitem()[1].stop()


class _Followed:
    """A run, and the greenlet that reads its output."""

    def __init__(self, run: Run, offset: int) -> None:
        self.trace = RunTrace(run.record)
        self._run = run
        self._follower = OutputFollower(run, offset)
        self._reading = RLock()
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self, runs: Supervisor) -> None:
        self._greenlet = gevent.spawn(self._follow, runs)

    def stop(self) -> None:
        if self._greenlet:
            self._greenlet.kill()
        self._follower.close()

    def catch_up(self) -> None:
        """Read what Claude has written by now."""
        with self._reading, contextlib.suppress(OSError):  # the folder may be gone
            for line in self._follower.read(last=not self._run.live):
                if _may_matter(line.data):
                    self.trace.message(line.message, time.time())

    def _follow(self, runs: Supervisor) -> None:
        written = runs.written(self._run.record.session_id)
        while self._run.live:
            seen = written.version
            self.catch_up()
            written.wait(seen, CHECK_SECONDS)


def _may_matter(line: bytes) -> bool:
    """Whether a line has a call of a tool, its result, or the end of a turn; most have none."""
    return b'"tool_use"' in line or b'"tool_result"' in line or b'"result"' in line
