"""A measured figure, its floor and its target, and their table. Measures nothing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

HEADINGS = ("what", "median", "p90", "p99", "floor", "ratio", "before", "target", "met")
BEFORE = HEADINGS.index("before")


@dataclass(frozen=True, slots=True)
class Target:
    """The most that the median, p95, p99, worst sample or the ratio to the floor may be.

    With `least` it is the median that must reach the limit; `p99 ratio` is that of the two p99.
    """

    of: Literal["median", "p95", "p99", "worst", "ratio", "p99 ratio", "least"]
    limit: float


@dataclass(frozen=True, slots=True)
class Figure:
    """Samples of one quantity in `unit`, and samples of its unavoidable floor from the same run."""

    what: str
    unit: str
    samples: Sequence[float]
    floor_is: str
    floor_samples: Sequence[float]
    target: Target | None = None
    before: str = ""
    """What it was in November 2026, with its unit; for figures that have been worked on since."""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def p90(self) -> float:
        return percentile(self.samples, 0.9)

    @property
    def p99(self) -> float:
        return percentile(self.samples, 0.99)

    @property
    def floor(self) -> float:
        return statistics.median(self.floor_samples)

    @property
    def ratio(self) -> float:
        """To the floor; infinite where that is nothing."""
        return self.median / self.floor if self.floor else math.inf

    @property
    def p99_ratio(self) -> float:
        return self.p99 / percentile(self.floor_samples, 0.99)

    @property
    def met(self) -> bool:
        """Whether the target is met; True without a target."""
        match self.target:
            case None:
                return True
            case Target("least", limit):
                return self.median >= limit
            case Target("worst", limit):
                return max(self.samples) <= limit
            case Target("p95", limit):
                return percentile(self.samples, 0.95) <= limit
            case Target("p99", limit):
                return self.p99 <= limit
            case Target("ratio", limit):
                return self.ratio <= limit
            case Target("p99 ratio", limit):
                return self.p99_ratio <= limit
            case Target(_, limit):
                return self.median <= limit

    def cells(self) -> tuple[str, ...]:
        """The row of a table, as long as HEADINGS."""
        return (
            self.what,
            f"{number(self.median)} {self.unit}".rstrip(),
            f"{number(self.p90)} {self.unit}".rstrip(),
            f"{number(self.p99)} {self.unit}".rstrip(),
            f"{number(self.floor)} {self.unit}".rstrip() + f" ({self.floor_is})",
            f"{number(self.ratio)}×" if self.floor else "",
            self.before,
            self._target(),
            "" if self.target is None else "yes" if self.met else "**no**",
        )

    def _target(self) -> str:
        match self.target:
            case None:
                return ""
            case Target("least", limit):
                return f"≥ {number(limit)} {self.unit}".rstrip()
            case Target("worst", limit):
                return f"all ≤ {number(limit)} {self.unit}"
            case Target("p95" | "p99" as share, limit):
                return f"{share} ≤ {number(limit)} {self.unit}"
            case Target("ratio", limit):
                return f"≤ {number(limit)}×"
            case Target("p99 ratio", limit):
                return f"p99 ≤ {number(limit)}× (is {number(self.p99_ratio)}×)"
            case Target(_, limit):
                return f"≤ {number(limit)} {self.unit}"


def percentile(samples: Sequence[float], share: float) -> float:
    """The percentile: the smallest sample that at least `share` of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def number(value: float) -> str:
    """A number rounded to the significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.2f}".rstrip("0").rstrip(".")


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table; it says what they were before if one of them does."""
    rows = [HEADINGS, *(figure.cells() for figure in figures)]
    if not any(figure.before for figure in figures):
        rows = [(*row[:BEFORE], *row[BEFORE + 1 :]) for row in rows]
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    rule = "|---|" + "--:|" * (len(rows[0]) - 2) + "---|"
    return "\n".join((head, rule, *body))
