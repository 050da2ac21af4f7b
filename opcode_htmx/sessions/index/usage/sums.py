"""Queries of what was used: sums by day, project, model, session and agent, with their costs."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from functools import cached_property
from operator import attrgetter
from typing import Any

from opcode_htmx.engines.claude.prices import SEARCH_PICO, price_of
from opcode_htmx.sessions.index.usage.answers import FAST, LONG, RECORDED, REWOUND, SIDECHAIN, US
from opcode_htmx.sessions.index.usage.figures import (
    By,
    DayCosts,
    Group,
    Line,
    SaidCosts,
    Sums,
    UsageQuery,
)

_SUMS = f"""
sum(answers), sum(input), sum(output), sum(cache_read), sum(cache_write_5m), sum(cache_write_1h),
sum(searches), sum(seconds), sum(prompts), sum(added), sum(removed),
coalesce(sum(cost), 0), coalesce(sum(answers) FILTER (WHERE cost IS NULL), 0),
coalesce(sum(cost) FILTER (WHERE is_agent), 0),
coalesce(sum(cost) FILTER (WHERE kind & {REWOUND}), 0),
coalesce(sum(answers) FILTER (WHERE is_agent), 0),
coalesce(sum(answers) FILTER (WHERE kind & {REWOUND}), 0), max(day)
"""
_LINES = f"""
CREATE TEMP TABLE line AS SELECT
    s.day, s.model, s.kind, s.input, s.output, s.cache_read, s.cache_write_5m, s.cache_write_1h,
    s.searches, s.answers, s.seconds, s.prompts, s.added, s.removed,
    coalesce(o.id, f.id) AS session, coalesce(o.project, f.project) AS project,
    coalesce(o.said, f.said) AS said, f.agent_type,
    f.agent <> '' OR (s.kind & {SIDECHAIN}) <> 0 AS is_agent,
    CASE WHEN p.input IS NOT NULL THEN s.input * p.input + s.output * p.output
        + s.cache_read * p.cache_read + s.cache_write_5m * p.cache_write_5m
        + s.cache_write_1h * p.cache_write_1h + s.searches * {SEARCH_PICO}
        WHEN s.kind & {RECORDED} THEN s.recorded END AS cost
FROM spent s JOIN file f ON f.id = s.file
LEFT JOIN file o ON o.id = f.own
LEFT JOIN price p ON p.model = s.model AND p.variant = (s.kind & {FAST | US | LONG})
WHERE (:since IS NULL OR s.day >= :since) AND (:until IS NULL OR s.day <= :until)
    AND (:model IS NULL OR s.model = :model)
    AND (:project IS NULL OR coalesce(o.project, f.project) = :project)
    AND (:session IS NULL
        OR f.session = :session AND f.path BETWEEN :folder || '/' AND :folder || '0')
"""  # noqa: S608 - numbers of this program
_MOST_EXACT = 2**62
"""The database adds up whole numbers below twice of that, and fails beyond."""
_NOTHING = -2
"""The number of a name that does not occur."""
_DEAREST = "sum(cost) DESC, sum(output) DESC"
_AGENT = "iif(is_agent, coalesce(agent_type, 0), -1)"
_figures = attrgetter(*(each.name for each in fields(Sums)))  # astuple copies each of them


class UsageSums:
    """The sums of one query, over one connection to the index."""

    def __init__(self, database: sqlite3.Connection, query: UsageQuery) -> None:
        self._database = database
        self._made = set[str]()
        database.execute("PRAGMA temp_store = MEMORY")
        self._store_prices()
        database.execute(_LINES, self._values(query))
        if database.execute("SELECT total(cost) FROM line").fetchone()[0] > _MOST_EXACT:
            # only of made-up histories; a sum of floats has no end
            database.execute("UPDATE line SET cost = CAST(cost AS REAL)")

    def total(self) -> Sums:
        return _together(self._parts.values(), self.count(By.SESSION))

    def groups(self, by: By, most: int | None = None) -> list[Group]:
        """The groups: the newest days in their order, the others with the highest cost first."""
        match by:
            case By.DAY:
                newest = sorted(self.costs_of_days, reverse=True)[:most]
                found = self._sums_by("day", chosen=newest) if newest else {}
                return [Group(str(day), found[day]) for day in sorted(found)]
            case By.PROJECT:
                found = self._sums_by("project", _DEAREST, most)
                return [Group(self._name(key), sums) for key, sums in found.items()]
            case By.MODEL:
                found = self._of_parts("model", 0, most)
                return [Group(self._name(key), sums) for key, sums in found.items()]
            case By.AGENT:
                found = self._of_parts(_AGENT, 1, most)
                return [
                    Group("main" if key < 0 else f"agent {self._name(key)}", sums)
                    for key, sums in found.items()
                ]
            case By.SESSION:
                found = self._sums_by("session", _DEAREST, most)
                return [self._session(key, sums) for key, sums in found.items()]

    @cached_property
    def costs_of_days(self) -> dict[int, DayCosts]:
        """The figures of a chart, by day."""
        dated = "SELECT EXISTS (SELECT 1 FROM line WHERE cost > 0 AND day >= 0)"
        (has_cost,) = self._database.execute(dated).fetchone()
        tokens = (
            "0" if has_cost else "input + output + cache_read + cache_write_5m + cache_write_1h"
        )
        rows = self._database.execute(
            "SELECT day, coalesce(sum(cost), 0), coalesce(sum(cost) FILTER (WHERE is_agent), 0),"  # noqa: S608
            f" sum({tokens}) FROM line GROUP BY day"
        )
        return {day: DayCosts(*map(int, figures)) for day, *figures in rows}

    def models_of_days(self, most: int) -> dict[int, list[str]]:
        """The models that were used on each day: at most so many on all days together."""
        found: dict[int, list[str]] = {}
        rows = self._database.execute(
            "SELECT DISTINCT line.day, name.text FROM line JOIN name ON name.id = line.model"
            " ORDER BY line.day DESC, name.text LIMIT ?",
            (most,),
        )
        for day, model in rows:
            found.setdefault(day, []).append(model)
        return found

    def unpriced_models(self, most: int) -> list[str]:
        """The models without a price, those with the most answers first."""
        found = Counter[int]()
        for (model, _), sums in self._parts.items():
            found[model] += sums.unpriced
        return [self._name(model) for model, answers in found.most_common(most) if answers]

    def lines(self, most: int) -> list[Line]:
        """The sums by session, day, model and agent, the newest first."""
        rows = self._database.execute(
            "SELECT day, (SELECT text FROM name WHERE id = project),"  # noqa: S608
            " (SELECT session FROM file WHERE id = line.session),"
            " (SELECT text FROM name WHERE id = model), iif(is_agent, coalesce("
            f"(SELECT text FROM name WHERE id = agent_type), 'agent'), ''), kind & {REWOUND} <> 0,"
            " sum(input), sum(output), sum(cache_read), sum(cache_write_5m + cache_write_1h),"
            " iif(count(cost) < count(*), NULL, sum(cost)) FROM line"
            f" GROUP BY day, session, model, is_agent, agent_type, kind & {REWOUND}"
            " ORDER BY day DESC, session LIMIT ?",
            (most,),
        )
        return [
            Line(day, project or "", session, model, agent, bool(rewound), *figures)
            for day, project, session, model, agent, rewound, *figures in rows
        ]

    def count(self, by: By) -> int:
        """The number of groups."""
        match by:
            case By.DAY:
                return len(self.costs_of_days)
            case By.PROJECT:
                return self._number_of("project")
            case By.SESSION:
                return self._number_of("session")
            case By.MODEL:
                return len({model for model, _ in self._parts})
            case By.AGENT:
                return len({agent for _, agent in self._parts})

    def said(self) -> SaidCosts:
        """What the CLI says of whole sessions, beside our sums; for a query of all days."""
        found = self._database.execute(
            "SELECT count(*), total(said), total(cost) FROM "  # noqa: S608 - own names
            f"{self._costs_by('session')} WHERE said"
        ).fetchone()
        return SaidCosts(*map(int, found))

    def _costs_by(self, key: str) -> str:
        """A table of the values of a column, with the cost of each, made once: its name."""
        name = f"costs_by_{key}"
        if name not in self._made:
            self._database.execute(
                f"CREATE TEMP TABLE {name} AS SELECT {key} AS value, sum(cost) AS cost,"  # noqa: S608
                " sum(output) AS output, max(said) AS said FROM line GROUP BY 1"
            )
            self._made.add(name)
        return name

    def _number_of(self, key: str) -> int:
        table = self._costs_by(key)
        found = self._database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        return int(found[0])

    def _sums_by(
        self,
        key: str,
        order: str = "1",
        most: int | None = None,
        chosen: Sequence[int | None] = (),
    ) -> dict[int, Sums]:
        """The sums by a column: of `chosen` values, or of the `most` ones with the highest cost."""
        where, values = "", tuple(chosen)
        if most is not None:  # which they are is known from few columns
            rows = self._database.execute(
                f"SELECT value FROM {self._costs_by(key)}"  # noqa: S608
                " ORDER BY cost DESC, output DESC LIMIT ?",
                (most,),
            )
            values = tuple(value for (value,) in rows)
        if values:
            where = f"WHERE {key} IN ({', '.join('?' * len(values))})"
            if None in values:
                where += f" OR {key} IS NULL"
        rows = self._database.execute(
            f"SELECT coalesce({key}, 0) AS key, count(DISTINCT session), {_SUMS} FROM line"  # noqa: S608
            f" {where} GROUP BY key ORDER BY {order}",
            values,
        )
        return {key: _sums(row) for key, *row in rows}

    @cached_property
    def _parts(self) -> dict[tuple[int, int], Sums]:
        """The sums by model and agent, of which there are few, without numbers of sessions."""
        rows = self._database.execute(
            f"SELECT model, {_AGENT} AS agent, 0, {_SUMS} FROM line GROUP BY model, agent"  # noqa: S608
        )
        return {(model, agent): _sums(row) for model, agent, *row in rows}

    def _of_parts(self, key: str, at: int, most: int | None) -> dict[int, Sums]:
        parts: dict[int, list[Sums]] = {}
        for keys, each in self._parts.items():
            parts.setdefault(keys[at], []).append(each)

        if len(parts) == 1:
            numbers = [(each, self.count(By.SESSION)) for each in parts]
        else:
            numbers = self._database.execute(
                f"SELECT {key} AS key, count(DISTINCT session) FROM line GROUP BY key"  # noqa: S608
            ).fetchall()

        def rank(number: tuple[int, int]) -> tuple[int, int]:
            own = parts[number[0]]
            return -sum(each.cost for each in own), -sum(each.output for each in own)

        shown = sorted(numbers, key=rank)[:most]
        return {key: _together(parts[key], sessions) for key, sessions in shown}

    def _session(self, key: int, sums: Sums) -> Group:
        path, session, title, project, said = self._database.execute(
            "SELECT path, session, coalesce(nullif(title, ''), first_prompt), project, said"
            " FROM file WHERE id = ?",
            (key,),
        ).fetchone()
        return Group(session, sums, path.partition("/")[0], self._name(project or 0), title, said)

    def _name(self, number: int) -> str:
        found = self._database.execute("SELECT text FROM name WHERE id = ?", (number,)).fetchone()
        return found[0] if found else ""

    def _values(self, query: UsageQuery) -> dict[str, Any]:
        folder, session = query.session or (None, None)
        return {
            "since": query.since,
            "until": query.until,
            "model": self._number("model", query.model),
            "project": self._number("project", query.project),
            "folder": folder,
            "session": session,
        }

    def _number(self, kind: str, text: str) -> int | None:
        if not text:
            return None
        found = self._database.execute(
            "SELECT id FROM name WHERE kind = ? AND text = ?", (kind, text)
        ).fetchone()
        return found[0] if found else _NOTHING

    def _store_prices(self) -> None:
        execute = self._database.execute
        execute(
            "CREATE TEMP TABLE price (model INTEGER, variant INTEGER, input INTEGER,"
            " output INTEGER, cache_read INTEGER, cache_write_5m INTEGER, cache_write_1h INTEGER,"
            " PRIMARY KEY (model, variant)) WITHOUT ROWID"
        )
        models = execute("SELECT id, text FROM name WHERE kind = 'model'").fetchall()
        self._database.executemany(
            "INSERT INTO price VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (number, fast | us | long, *price.per_token(is_us=bool(us)))
                for number, model in models
                for fast in (0, FAST)
                for us in (0, US)
                for long in (0, LONG)
                if (price := price_of(model, is_fast=bool(fast), is_long=bool(long)))
            ],
        )


def _sums(row: Sequence[int | None]) -> Sums:
    return Sums(*[*(int(each or 0) for each in row[:-1]), -1 if row[-1] is None else row[-1]])


def _together(parts: Iterable[Sums], sessions: int) -> Sums:
    """The sum of sums that share sessions."""
    rows = [_figures(each) for each in parts]
    if not rows:
        return Sums()
    _, *figures, _ = (sum(column) for column in zip(*rows, strict=True))
    return Sums(*[sessions, *figures, max(row[-1] for row in rows)])
