"""The lines that clients of one session have received, for the threads that wait for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple


class Line(NamedTuple):
    """A line as a client received it."""

    run_id: str
    stream: str
    content: str


class ReceivedLines:
    """The lines of a session in the order in which one client received them."""

    def __init__(self, total: ReceivedLines | None = None) -> None:
        """Lines received here are counted in `total` as well."""
        self.lines: list[Line] = []
        self.ends: dict[str, set[str]] = {}
        """The outcomes received for each run."""
        self.count = 0
        self._total = total
        self._changed = threading.Condition()
        self.on_line: Callable[[Line], None] = lambda line: None

    def line(self, line: Line) -> None:
        with self._changed:
            self.lines.append(line)
            self.count += 1
            self._changed.notify_all()
        if self._total:
            self._total.one_more()
        self.on_line(line)

    def one_more(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def end(self, run_id: str, outcome: str) -> None:
        with self._changed:
            self.ends.setdefault(run_id, set()).add(outcome)
            self._changed.notify_all()

    def wake(self) -> None:
        """Wake the waiting threads to check their conditions again."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, condition: Callable[[], object], timeout: float) -> bool:
        """Wait until a condition holds, at most so many seconds; return whether it does."""
        with self._changed:
            return bool(self._changed.wait_for(condition, timeout))

    def wait_quiet(self, condition: Callable[[], object], quiet: float) -> bool:
        """Wait until a condition holds, or until nothing arrives for `quiet` seconds."""
        with self._changed:
            count, since = self.count, time.monotonic()
            while not condition():
                if self.count != count:
                    count, since = self.count, time.monotonic()
                rest = since + quiet - time.monotonic()
                if rest <= 0:
                    return False
                self._changed.wait(rest)
            return True
