"""A cost in the file is a number only where a price is known."""

from __future__ import annotations

import csv
import io

import pytest

from opcode_htmx.engines.claude.protocol.usage.entries import PICO
from opcode_htmx.features.usage.csv_export import text_of
from opcode_htmx.sessions.index.usage.figures import By, Group, Sums

COSTS = ("cost_usd", "cost_of_subagents_usd", "cost_of_rewound_turns_usd")


@pytest.mark.parametrize(
    ("sums", "costs"),
    [
        (Sums(answers=2, unpriced=2), ["", "", ""]),
        (Sums(answers=2, unpriced=1, cost=PICO, agent_cost=PICO // 2), ["1", "0.5", "0"]),
        (Sums(), ["0", "0", "0"]),
    ],
)
def test_costs_are_empty_where_no_answer_has_a_price(sums: Sums, costs: list[str]) -> None:
    (row,) = csv.DictReader(io.StringIO(text_of(By.MODEL, [Group("a-model", sums)])))
    assert [row[name] for name in COSTS] == costs
    assert row["answers_of_unknown_cost"] == str(sums.unpriced)
