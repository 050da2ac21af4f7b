"""Count what happens in this worker, and sum up what has happened in all of them.

To count is a store into memory and a write of eight bytes, without a lock: a microsecond or two. It
is done in the thread of the hub only.
"""

from __future__ import annotations

import logging
import os
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from operator import add
from pathlib import Path

import psutil

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.metrics import worker_file
from opcode_htmx.lib.metrics.families import (
    Counter,
    Family,
    Histogram,
    LabelValues,
    Reading,
    WorkerGauge,
)
from opcode_htmx.lib.metrics.worker_file import Values, WorkerFile
from opcode_htmx.lib.process_identity import ProcessIdentity

log = logging.getLogger(__name__)

_IDENTITY = ("worker pid", "worker started")
"""The names of the first two numbers: which process writes a file; zero where none does."""
Measure = Callable[[], Iterable[Reading]]


@dataclass(frozen=True, slots=True)
class Series:
    """The value of one series: a number or, of a histogram, its buckets and the sum."""

    labels: LabelValues
    values: tuple[float, ...]
    """One, or for a histogram the count of each bucket by itself, then the sum of the values."""


class MetricStore:
    """The metrics of a server; one in each worker."""

    def __init__(self, folder: Path, families: Iterable[Family]) -> None:
        """Touches no file before `start`. Raises ValueError where a name is declared twice."""
        self.families = tuple(families)
        names = [family.name for family in self.families]
        if len(set(names)) < len(names):
            raise ValueError("a metric is declared twice")
        self._folder = folder
        self._names = (*_IDENTITY, *(name for each in self.families for name in each.slots()))
        self._first: dict[tuple[Family, LabelValues], int] = {}
        place = len(_IDENTITY)
        for family in self.families:
            for labels in family.series() if family.width else ():
                self._first[family, labels] = place
                place += family.width
        self._gauges = [
            place for (family, _), place in self._first.items() if isinstance(family, WorkerGauge)
        ]
        self._values = self._zeros()
        """All numbers of this worker's file, or what was counted without one."""
        self._file: WorkerFile | None = None
        self._measures: list[Measure] = []

    # --- counting -----------------------------------------------------------------------------

    def add(self, counter: Counter, amount: float = 1.0, labels: LabelValues = ()) -> None:
        """Raises KeyError for labels that are not declared; negative amounts count nothing."""
        if amount > 0:
            self._add(self._first[counter, labels], amount)

    def observe(self, histogram: Histogram, value: float, labels: LabelValues = ()) -> None:
        """Raises KeyError for labels that are not declared."""
        first, value = self._first[histogram, labels], max(0.0, value)
        self._add(first + bisect_left(histogram.buckets, value), 1.0)
        self._add(first + len(histogram.buckets) + 1, value)

    def change(self, gauge: WorkerGauge, by: float, labels: LabelValues = ()) -> None:
        """Raises KeyError for labels that are not declared."""
        self._add(self._first[gauge, labels], by)

    def _add(self, place: int, amount: float) -> None:
        self._put(place, self._values[place] + amount)

    def _put(self, place: int, number: float) -> None:
        self._values[place] = number
        if self._file:
            self._file.put(place, number)

    # --- the worker ---------------------------------------------------------------------------

    def start(self) -> None:
        """Keep the numbers in a file from now on, with those that were counted before."""
        try:
            file = WorkerFile.take(self._folder, self._names)
        except OSError as error:  # a full disk must not keep the server from starting
            log.warning("the metrics of this worker are not kept in %s: %s", self._folder, error)
            return
        counted, self._values, self._file = self._values, file.numbers, file
        own = ProcessIdentity.of(psutil.Process(os.getpid()))
        for place in self._gauges:  # of a worker that was killed
            self._put(place, 0.0)
        for place, value in enumerate(counted):
            if value:
                self._add(place, value)
        self._put(0, float(own.pid))
        self._put(1, own.started_at)

    def stop(self) -> None:
        """Leave the counters to the worker that comes next. Counting goes on in memory."""
        if self._file is None:
            return
        for place in (0, 1, *self._gauges):
            self._put(place, 0.0)
        self._file.release()
        self._file, self._values = None, self._zeros()

    # --- reading ------------------------------------------------------------------------------

    def measure_by(self, measure: Measure) -> None:
        """Ask `measure` for the values of gauges whenever the metrics are read."""
        self._measures.append(measure)

    def workers(self) -> list[int]:
        """The pids of the live workers."""
        return [pid for each in self._all() if (pid := _live_worker(each))]

    def read(self) -> Mapping[Family, list[Series]]:
        """All families in their order, also those without a value. The gauges may block."""
        measured = self._measured()
        totals = self._totals()
        found: dict[Family, list[Series]] = {}
        for family in self.families:
            found[family] = measured.get(family, [])
            for labels in family.series() if family.width else ():
                first = self._first[family, labels]
                found[family].append(Series(labels, tuple(totals[first : first + family.width])))
        return found

    def _measured(self) -> dict[Family, list[Series]]:
        found: dict[Family, list[Series]] = {}
        for measure in self._measures:
            try:
                for each in measure():
                    found.setdefault(each.gauge, []).append(Series(each.labels, (each.value,)))
            except Exception:  # one that fails must not hide all others
                log.exception("could not measure by %s", measure)
        return found

    def _totals(self) -> list[float]:
        """The sum of each number over all files; of those of gauges, over the live workers'."""
        totals = list(self._zeros())
        gauges = set(self._gauges)
        for found in self._all():
            numbers = self._in_order(found)
            if found.numbers is not self._values and not _live_worker(found):
                for place in gauges:
                    numbers[place] = 0.0
            totals = list(map(add, totals, numbers))
        return totals

    def _begin_anew(self, file: WorkerFile) -> None:
        """Somebody has removed the file: go on in another one with what it has counted."""
        log.warning("the metrics in %s were removed: this worker begins another file", self._folder)
        self._file = None
        self._values[0] = self._values[1] = 0.0
        file.release()
        self.start()

    def _in_order(self, found: Values) -> list[float]:
        """The numbers of a file, which a worker of another version may write, in our order."""
        if found.names == self._names:
            return list(found.numbers)
        known = dict(zip(found.names, found.numbers, strict=True))
        return [known.get(name, 0.0) for name in self._names]

    def _all(self) -> list[Values]:
        """What this worker has counted, and what is in the files of the others."""
        if self._file and not self._file.keep(self._values):
            self._begin_anew(self._file)
        own = Values(self._names, self._values)
        try:
            name = self._file.name if self._file else ""
            return [own, *worker_file.others(self._folder, name)]
        except OSError as error:
            if self._file or not isinstance(error, FileNotFoundError):
                log.warning("the metrics in %s cannot be read: %s", self._folder, error)
            return [own]

    def _zeros(self) -> array[float]:
        return array("d", [0.0]) * len(self._names)


def _live_worker(found: Values) -> int:
    """The pid of the worker that writes a file; 0 if it has ended."""
    if found.names[: len(_IDENTITY)] != _IDENTITY or not found.numbers[0]:
        return 0
    identity = ProcessIdentity(int(found.numbers[0]), found.numbers[1])
    return identity.pid if identity.find() else 0
