"""Declarations of metrics: counters, gauges and histograms, each with all of its series.

The values of every label are declared, so that the number of series is known beforehand: nothing
that a client sends, and no id, path or name, becomes a series.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

_NAME = late_pattern(r"opcode_[a-z][a-z0-9_]*", re.ASCII)
_LABEL = late_pattern(r"[a-z][a-z0-9_]*", re.ASCII)
_UNITS = ("seconds", "bytes", "dollars")

LabelValues = tuple[str, ...]
"""The values of a series, in the order of the family's labels."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The buckets of most durations: upper limits, without infinity."""


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """A metric. Raises ValueError where the declaration is not valid."""

    name: str
    """Begins with `opcode_` and ends with the unit, if it has one; a counter without `_total`."""
    meaning: str
    """One sentence without a full stop."""
    labels: Mapping[str, LabelValues] = field(default_factory=dict)
    """Every label with all of its values."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.endswith(("_total", "_count", "_sum")):
            raise ValueError(f"{self.name!r} cannot be the name of a metric")
        if not all(_LABEL.fullmatch(name) and values for name, values in self.labels.items()):
            raise ValueError(f"the labels of {self.name} are not valid")

    @property
    def kind(self) -> str:
        """The type, in the words of Prometheus."""
        raise NotImplementedError

    @property
    def unit(self) -> str:
        """The unit; empty for plain numbers."""
        return next((unit for unit in _UNITS if self.name.endswith(f"_{unit}")), "")

    @property
    def width(self) -> int:
        """How many numbers a worker keeps for each series."""
        return 1

    def series(self) -> Iterator[LabelValues]:
        """The label values of every series."""
        return itertools.product(*self.labels.values())

    def slots(self) -> Iterator[str]:
        """The names of the numbers that a worker keeps: `width` for each series, in its order."""
        for values in self.series():
            yield " ".join((self.name, *values))


@dataclass(frozen=True, slots=True, eq=False)
class Counter(Family):
    """A sum that never falls."""

    @property
    def kind(self) -> str:
        return "counter"


@dataclass(frozen=True, slots=True, eq=False)
class Gauge(Family):
    """A number that is measured when it is asked for."""

    @property
    def kind(self) -> str:
        return "gauge"

    @property
    def width(self) -> int:
        return 0

    def slots(self) -> Iterator[str]:
        return iter(())


@dataclass(frozen=True, slots=True, eq=False)
class WorkerGauge(Family):
    """A number that each worker keeps for itself; its value is the sum over the live workers."""

    @property
    def kind(self) -> str:
        return "gauge"


@dataclass(frozen=True, slots=True, eq=False)
class Histogram(Family):
    """How many observed values were in each bucket, and their sum."""

    buckets: Sequence[float] = SECONDS
    """Upper limits, each inclusive, in order; one without a limit follows."""

    def __post_init__(self) -> None:
        Family.__post_init__(self)
        limits = list(self.buckets)
        if not limits or limits != sorted(set(limits)) or not all(map(math.isfinite, limits)):
            raise ValueError(f"the buckets of {self.name} are not valid")

    @property
    def kind(self) -> str:
        return "histogram"

    @property
    def width(self) -> int:
        """One for each bucket, and the sum of the values."""
        return len(self.buckets) + 2

    def slots(self) -> Iterator[str]:
        # with other buckets they are other numbers
        limits = ",".join(f"{limit:g}" for limit in self.buckets)
        for values in self.series():
            for number in range(self.width):
                yield f"{' '.join((self.name, *values))} [{limits}] {number}"


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of one series of a gauge now."""

    gauge: Gauge
    value: float
    labels: LabelValues = ()
