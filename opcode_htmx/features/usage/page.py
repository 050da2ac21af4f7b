"""What the usage page shows: sums of the index, by day, project, model, session and agent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from opcode_htmx.features.usage.chart import Chart, chart_of
from opcode_htmx.features.usage.query import UsageForm
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.index import schema
from opcode_htmx.sessions.index.reader import IndexReader, IndexUnavailable
from opcode_htmx.sessions.index.usage.figures import (
    By,
    DayCosts,
    Group,
    SaidCosts,
    Sums,
    UsageQuery,
)
from opcode_htmx.sessions.index.usage.sums import UsageSums

T = TypeVar("T")

MOST_ROWS = 10
"""Of projects, models, sessions and agents; a link leads to all of them."""
ALL_ROWS = 200
MOST_DAYS = 62
MOST_KNOWN = 8
MOST_UNPRICED = 3
"""Models without a price that are named."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The sums of a query in each of the ways in which they are shown."""

    total: Sums
    costs: dict[int, DayCosts]
    days: list[Group]
    """The newest MOST_DAYS."""
    day_count: int
    models: list[Group]
    model_count: int
    unpriced: list[str]
    """Models without a price, at most MOST_UNPRICED and one more."""
    projects: list[Group]
    project_count: int
    sessions: list[Group]
    session_count: int
    agents: list[Group]
    agent_count: int
    said: SaidCosts | None
    """For all days only: the CLI says what a whole session costs."""


@dataclass(frozen=True, slots=True)
class Report:
    """`tables` is None where there is no index yet, or none at all."""

    tables: Tables | None
    chart: Chart | None = None
    progress: float = 0.0
    is_on: bool = True


class UsagePage:
    """Reads the sums; without an index there is nothing to count."""

    def __init__(self, index: IndexReader | None) -> None:
        self._index = index
        self._known: dict[tuple[UsageQuery, str], tuple[tuple[int, ...], Report]] = {}
        """The newest reports, with the version of the index that each was made from."""

    def report(self, form: UsageForm, show_all: str = "") -> Report:
        """`show_all`: the groups of which all rows are shown, such as `projects`."""
        if self._index is None:
            return Report(None, is_on=False)
        query, version = form.query, self._index.version
        known = self._known.pop((query, show_all), None)
        if known and known[0] == version:
            self._known[query, show_all] = known
            return known[1]

        def work(sums: UsageSums) -> Tables:
            return _tables(sums, query, show_all)

        try:
            tables, progress = self._index.usage(query, work)
        except IndexUnavailable:
            return Report(None)
        report = Report(tables, chart_of(tables.costs, query.since, query.until), progress)
        self._known[query, show_all] = version, report
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return report

    def read(self, query: UsageQuery, work: Callable[[UsageSums], T]) -> tuple[T, float]:
        """What `work` makes of the sums of a query, and the part of the history that they cover:
        none of it without an index.
        """
        if self._index is not None:
            with contextlib.suppress(IndexUnavailable):
                return self._index.usage(query, work)
        with closing(schema.nothing()) as database:
            return work(UsageSums(database, query)), 0.0


def _tables(sums: UsageSums, query: UsageQuery, show_all: str) -> Tables:
    def most(name: str) -> int:
        return ALL_ROWS if show_all == name else MOST_ROWS

    is_whole = query.since is None and query.until is None and not query.model
    return Tables(
        total=sums.total(),
        costs=(costs := sums.costs_of_days),
        days=sums.groups(By.DAY, MOST_DAYS),
        day_count=len(costs),
        models=sums.groups(By.MODEL, most("models")),
        model_count=sums.count(By.MODEL),
        unpriced=sums.unpriced_models(MOST_UNPRICED + 1),
        projects=sums.groups(By.PROJECT, most("projects")),
        project_count=sums.count(By.PROJECT),
        sessions=sums.groups(By.SESSION, most("sessions")),
        session_count=sums.count(By.SESSION),
        agents=sums.groups(By.AGENT, most("agents")),
        agent_count=sums.count(By.AGENT),
        said=sums.said() if is_whole else None,
    )
