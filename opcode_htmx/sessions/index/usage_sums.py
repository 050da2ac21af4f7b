"""Queries of what was used: sums by day, project, model, session and agent, with their costs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from opcode_htmx.engines.claude.prices import SEARCH_PICO, price_of
from opcode_htmx.sessions.index.answers import FAST, LONG, RECORDED, REWOUND, SIDECHAIN, US


class By(StrEnum):
    """What usage is grouped by."""

    DAY = "day"
    PROJECT = "project"
    MODEL = "model"
    SESSION = "session"
    AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """Which usage is meant. An empty field leaves nothing out.

    Days are counted from 1 January 1970, and are both included.
    """

    since: int | None = None
    until: int | None = None
    project: str = ""
    model: str = ""
    session: tuple[str, str] | None = None
    """The name of the Claude folder and the id of a session."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What was used. Costs are in trillionths of a dollar, and are of the answers with a price."""

    sessions: int = 0
    answers: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    searches: int = 0
    seconds: int = 0
    """Time worked, without that of subagents."""
    prompts: int = 0
    added: int = 0
    removed: int = 0
    cost: int = 0
    unpriced: int = 0
    """Answers of models without a price."""
    agent_cost: int = 0
    """The part of subagents; an answer of one may be rewound as well."""
    rewound_cost: int = 0
    agent_answers: int = 0
    rewound_answers: int = 0
    last_day: int = -1

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def tokens(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_write

    @property
    def is_known(self) -> bool:
        """Whether every answer has a price."""
        return not self.unpriced

    @property
    def has_cost(self) -> bool:
        """Whether at least one answer has a price; an empty sum costs nothing, which is known."""
        return self.unpriced < self.answers or not self.answers


@dataclass(frozen=True, slots=True)
class Group:
    """The sums of a group. `key` is the day, the folder, the model, the session's id or the kind of
    agent; the others are of sessions.
    """

    key: str
    sums: Sums
    folder: str = ""
    """The name of Claude's folder that holds the session."""
    project: str = ""
    title: str = ""
    said: int | None = None
    """What the CLI says the session has cost, from its beginning on."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one session has used of one model on one day; `cost` is None if it is unknown."""

    day: int
    project: str
    session: str
    model: str
    agent: str
    is_rewound: bool
    input: int
    output: int
    cache_read: int
    cache_write: int
    cost: int | None


@dataclass(frozen=True, slots=True)
class SaidCosts:
    """Over the sessions of which the CLI says the cost: their number, its sum, and ours."""

    sessions: int
    said: int
    ours: int


_SUMS = f"""
count(DISTINCT session), sum(answers), sum(input), sum(output), sum(cache_read),
sum(cache_write_5m), sum(cache_write_1h), sum(searches), sum(seconds), sum(prompts), sum(added),
sum(removed), coalesce(sum(cost), 0), sum(iif(cost IS NULL, answers, 0)),
sum(iif(is_agent, coalesce(cost, 0), 0)), sum(iif(kind & {REWOUND}, coalesce(cost, 0), 0)),
sum(iif(is_agent, answers, 0)), sum(iif(kind & {REWOUND}, answers, 0)), max(day)
"""
_LINES = f"""
CREATE TEMP TABLE line AS SELECT
    s.day, s.model, s.kind, s.input, s.output, s.cache_read, s.cache_write_5m, s.cache_write_1h,
    s.searches, s.answers, s.seconds, s.prompts, s.added, s.removed, f.session, f.path, f.project,
    f.agent_type, f.agent <> '' OR (s.kind & {SIDECHAIN}) <> 0 AS is_agent,
    CASE WHEN p.input IS NOT NULL THEN s.input * p.input + s.output * p.output
        + s.cache_read * p.cache_read + s.cache_write_5m * p.cache_write_5m
        + s.cache_write_1h * p.cache_write_1h + s.searches * {SEARCH_PICO}
        WHEN s.kind & {RECORDED} THEN s.recorded END AS cost
FROM spent s JOIN file f ON f.id = s.file
LEFT JOIN price p ON p.model = s.model AND p.variant = (s.kind & {FAST | US | LONG})
WHERE (:since IS NULL OR s.day >= :since) AND (:until IS NULL OR s.day <= :until)
    AND (:model IS NULL OR s.model = :model) AND (:project IS NULL OR f.project = :project)
    AND (:session IS NULL
        OR f.session = :session AND f.path BETWEEN :folder || '/' AND :folder || '0')
"""  # noqa: S608 - numbers of this program
_NOTHING = -2
"""The number of a name that does not occur."""


class UsageSums:
    """The sums of one query, over one connection to the index."""

    def __init__(self, database: sqlite3.Connection, query: UsageQuery) -> None:
        self._database = database
        database.execute("PRAGMA temp_store = MEMORY")
        self._store_prices()
        database.execute(_LINES, self._values(query))

    def total(self) -> Sums:
        return _sums(self._database.execute(f"SELECT {_SUMS} FROM line").fetchone())  # noqa: S608

    def groups(self, by: By, most: int | None = None) -> list[Group]:
        """The groups: days in their order, the others with the highest cost first."""
        match by:
            case By.DAY:
                return list(self._rows("day", "day", order="day"))
            case By.MODEL:
                name = "(SELECT text FROM name WHERE id = line.model)"
                return list(self._rows(name, "model", most=most))
            case By.PROJECT:
                name = "(SELECT text FROM name WHERE id = line.project)"
                return list(self._rows(name, "project", most=most))
            case By.AGENT:
                name = "iif(is_agent, (SELECT text FROM name WHERE id = agent_type), '')"
                key = "is_agent, agent_type"
                found = self._rows(f"iif(is_agent, 'agent ', 'main') || coalesce({name}, '')", key)
                return list(found)
            case By.SESSION:
                return self._sessions(most)

    def models_of_days(self) -> dict[int, list[str]]:
        """The models that were used on each day."""
        found: dict[int, list[str]] = {}
        rows = self._database.execute(
            "SELECT DISTINCT line.day, name.text FROM line JOIN name ON name.id = line.model"
            " ORDER BY name.text"
        )
        for day, model in rows:
            found.setdefault(day, []).append(model)
        return found

    def lines(self, most: int) -> list[Line]:
        """The sums by session, day, model and agent, the newest first."""
        rows = self._database.execute(
            "SELECT day, (SELECT text FROM name WHERE id = project), session,"  # noqa: S608
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
        columns = {By.SESSION: "session", By.PROJECT: "project", By.MODEL: "model", By.DAY: "day"}
        query = f"SELECT count(DISTINCT {columns.get(by, 'is_agent')}) FROM line"  # noqa: S608
        return int(self._database.execute(query).fetchone()[0])

    def said(self) -> SaidCosts:
        """What the CLI says of whole sessions, beside our sums; for a query of all days."""
        found = self._database.execute(
            "SELECT count(*), coalesce(sum(said), 0), coalesce(sum(ours), 0) FROM ("
            " SELECT (SELECT f.said FROM file f WHERE f.path ="
            "  substr(line.path, 1, instr(line.path, '/')) || line.session || '.jsonl') AS said,"
            " sum(cost) AS ours FROM line GROUP BY session) WHERE said IS NOT NULL"
        ).fetchone()
        return SaidCosts(*found)

    def _sessions(self, most: int | None) -> list[Group]:
        found = []
        for each in self._rows("session", "session", "min(path)", most=most):
            folder = each.folder.partition("/")[0]
            row = self._database.execute(
                "SELECT coalesce(nullif(f.title, ''), f.first_prompt), n.text, f.said FROM file f"
                " LEFT JOIN name n ON n.id = f.project WHERE f.path = ?",
                (f"{folder}/{each.key}.jsonl",),
            ).fetchone()
            title, project, said = row or ("", "", None)
            found.append(Group(each.key, each.sums, folder, project or "", title, said))
        return found

    def _rows(
        self,
        key: str,
        group: str,
        more: str = "NULL",
        order: str = "sum(cost) DESC, sum(output) DESC, 1",
        most: int | None = None,
    ) -> Iterator[Group]:
        rows = self._database.execute(
            f"SELECT {_SUMS}, {key}, {more} FROM line GROUP BY {group}"  # noqa: S608
            f" ORDER BY {order} LIMIT ?",
            (-1 if most is None else most,),
        )
        for *sums, name, extra in rows:
            yield Group("" if name is None else str(name), _sums(sums), folder=extra or "")

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
    return Sums(*(each or 0 for each in row[:-1]), -1 if row[-1] is None else row[-1])
