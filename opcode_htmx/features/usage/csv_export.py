"""Usage as comma-separated values: a row for each day, project, model, session or agent."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from opcode_htmx.engines.claude.protocol.usage.entries import PICO
from opcode_htmx.features.usage.query import date_of
from opcode_htmx.sessions.index.usage.figures import By, Group

COLUMNS = (
    *("sessions", "prompts", "answers", "seconds_worked", "input_tokens", "output_tokens"),
    *("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "web_searches"),
    *("lines_added", "lines_removed", "cost_usd", "answers_of_unknown_cost"),
    *("cost_of_subagents_usd", "cost_of_rewound_turns_usd"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins with one of these is a formula for a spreadsheet."""


def text_of(by: By, groups: Iterable[Group]) -> str:
    """The whole file. A cost that is not known is an empty cell, and so are the parts of it."""
    file = io.StringIO()
    writer = csv.writer(file)
    names = [by.value]
    if by is By.SESSION:
        names += ["project", "title", "cost_by_claude_code_usd"]
    writer.writerow([*names, *COLUMNS])
    for each in groups:
        sums = each.sums
        cells: list[object] = [neutral(name_of(by, each.key))]
        if by is By.SESSION:
            said = "" if each.said is None else usd(each.said)
            cells += [neutral(each.project), neutral(each.title), said]
        cells += [sums.sessions, sums.prompts, sums.answers, sums.seconds, sums.input, sums.output]
        cells += [sums.cache_read, sums.cache_write_5m, sums.cache_write_1h, sums.searches]
        costs = [
            usd(cost) if sums.has_cost else ""
            for cost in (sums.cost, sums.agent_cost, sums.rewound_cost)
        ]
        cells += [sums.added, sums.removed, costs[0], sums.unpriced, *costs[1:]]
        writer.writerow(cells)
    return file.getvalue()


def neutral(text: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def usd(cost: int) -> str:
    """An amount in dollars, exactly."""
    whole, part = divmod(cost, PICO)
    return f"{whole}.{part:012}".rstrip("0").rstrip(".")


def name_of(by: By, key: str) -> str:
    """The name of a group: for a day its date, for agents their kind."""
    if by is By.DAY:
        return "" if int(key) < 0 else date_of(int(key)).isoformat()
    if by is By.AGENT:
        return agent_name(key)
    return key


def agent_name(key: str) -> str:
    """`Claude itself`, `Subagent`, or the kind of subagent."""
    if key == "main":
        return "Claude itself"
    return key.removeprefix("agent ") or "Subagent"
