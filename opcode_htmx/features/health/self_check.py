"""The self-check: all checks at once when a person asks, their results kept for all workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gevent.lock import BoundedSemaphore

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.sessions.health.check import Check, Checker, Result

VERSION = 1


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one time; `at` is a Unix time."""

    at: float
    results: tuple[Result, ...]


def _parse(content: dict[str, Any]) -> Report:
    return Report(float(content["at"]), tuple(map(Result.from_json, content["results"])))


_FILE = JsonFileSchema(VERSION, _parse)


class SelfCheck:
    """Runs the checks; in each worker one at a time."""

    def __init__(self, path: Path, checks: Callable[[], Iterable[Check]]) -> None:
        """`path` is the file of the last report."""
        self._path = path
        self._checks = checks
        self._checker = Checker()
        self._one_at_a_time = BoundedSemaphore(1)
        self._newest: Report | None = None

    def last(self) -> Report | None:
        """The last report, of any worker; None before the first one."""
        return _FILE.read(self._path)

    def run(self) -> Report:
        """A report that was begun after this call. Raises OSError if it cannot be kept."""
        asked = time.time()
        with self._one_at_a_time:
            if self._newest and self._newest.at >= asked:  # of somebody who waited as well
                return self._newest
            at = time.time()
            report = self._newest = Report(at, self._checker.run(self._checks()))
            results = [each.as_json() for each in report.results]
            _FILE.write(self._path, {"at": at, "results": results}, durable=False)
            return report
