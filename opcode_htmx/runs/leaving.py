"""End the runs that nobody looks at, where a person has chosen so.

A phone that locks, reloads or changes its network is back within seconds, so a run is ended only
when its last viewer has been gone for the whole grace. A run that nobody has looked at counts from
its start; one that an earlier server left counts from the start of this server.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import gevent

from .folder import Outcome
from .phases import OPEN_TURN, Phase
from .run import Run, RunNotLive

CHECK_SECONDS = 0.5


def in_words(seconds: float) -> str:
    """A length of time: `60 seconds`, `5 minutes`."""
    amount, unit = (seconds / 60, "minute") if seconds >= 120 else (seconds, "second")
    return f"{amount:g} {unit}" if amount == 1 else f"{amount:g} {unit}s"


class Leaving:
    """Counts the viewers of each session, and ends what they have left."""

    def __init__(
        self,
        live: Callable[[], Iterable[Run]],
        keeps_running: Callable[[str], bool],
        grace: float,
    ) -> None:
        """`keeps_running` says of a session id whether its run goes on without a viewer."""
        self._live = live
        self._keeps_running = keeps_running
        self._grace = grace
        self._viewers: Counter[str] = Counter()
        self._began = time.time()
        self._last_seen: dict[str, float] = {}
        self._watch = gevent.spawn(self._end_what_was_left)

    @contextlib.contextmanager
    def viewing(self, session_id: str) -> Iterator[None]:
        """While this lasts, somebody looks at the session."""
        self._viewers[session_id] += 1
        try:
            yield
        finally:
            self._viewers[session_id] -= 1
            self._viewers += Counter()  # forget those that nobody looks at
            self.seen(session_id)

    def is_viewed(self, session_id: str) -> bool:
        return self._viewers[session_id] > 0

    def seen(self, session_id: str) -> None:
        """Somebody was there just now, with a page that keeps no socket."""
        self._last_seen[session_id] = time.time()

    def close(self) -> None:
        self._watch.kill()

    def _end_what_was_left(self) -> None:
        while True:
            gevent.sleep(CHECK_SECONDS)
            for run in self._live():
                if run.phase is not Phase.STOPPING and self._was_left(run):
                    self._end(run)

    def _was_left(self, run: Run) -> bool:
        session_id = run.record.session_id
        if self._viewers[session_id] or self._keeps_running(session_id):
            return False
        began = max(self._began, run.record.created_at)
        return time.time() - max(began, self._last_seen.get(session_id, 0.0)) >= self._grace

    def _end(self, run: Run) -> None:
        working = run.phase in OPEN_TURN
        cause = f"Ended, because nobody was looking for {in_words(self._grace)}."
        with contextlib.suppress(RunNotLive):  # it was faster
            run.stop(Outcome.CANCELLED if working else Outcome.COMPLETED, cause)
