"""What an answer costs, what the days hold, and figures that nobody could add."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import closing
from fractions import Fraction
from typing import Any

import pytest

from opcode_htmx.engines.claude.prices import price_of
from opcode_htmx.engines.claude.protocol.usage.entries import LONGEST_MODEL, PICO
from opcode_htmx.sessions.index.schema import open_to_read
from opcode_htmx.sessions.index.usage.figures import By, UsageQuery
from opcode_htmx.sessions.index.usage.ledger import MOST
from opcode_htmx.sessions.index.usage.sums import UsageSums
from opcode_htmx.sessions.index.writing.names import LONGEST
from tests.sessions.index.histories import NOON, ONE, TWO, Searchable
from tests.sessions.index.spending import MODELS, groups, spend, total


def test_unknown_model_has_no_cost_unless_the_cli_has_recorded_one(index: Searchable) -> None:
    session = index.session()
    spend(session, "m1", model="claude-unheard-of")
    index.update()
    found = total(index)
    assert (found.has_cost, found.is_known, found.unpriced, found.cost) == (False, False, 1, 0)
    spend(session, "m2", model="claude-unheard-of", costUSD=0.25)
    index.update()
    found = total(index)
    assert (found.has_cost, found.is_known, found.cost) == (True, False, PICO // 4)


def test_price_follows_speed_region_cache_and_searches(index: Searchable) -> None:
    cache = {"cache_creation": {"ephemeral_1h_input_tokens": 10}, "cache_creation_input_tokens": 30}
    usage = {"input_tokens": 1, "server_tool_use": {"web_search_requests": 2}, **cache}
    session = index.session()
    spend(session, "m1", usage={**usage, "speed": "fast", "inference_geo": "us"})
    index.update()
    per_token = Fraction(11, 10) * (8 + 10 * 16 + 20 * 10) / 1_000_000
    assert Fraction(total(index).cost, PICO) == per_token + Fraction(2, 100)


def test_days_limit_the_sums_and_begin_at_the_servers_midnight(
    index: Searchable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")  # 5:45 before UTC
    time.tzset()
    from opcode_htmx.sessions.index.usage import answers as module

    monkeypatch.setattr(module, "day_of", module._cached_days())
    try:
        index.restart()
        day = int((NOON + 5.75 * 3600) // 86_400)
        midnight = (day + 1) * 86_400 - 5.75 * 3600 - NOON
        session = index.session()
        spend(session, "m1", at=midnight - 1)
        spend(session, "m2", at=midnight)
        index.update()
        found = {each.key: each.sums.answers for each in groups(index, By.DAY)}
        assert found == {str(day): 1, str(day + 1): 1}
        assert total(index, since=day + 1).answers == total(index, until=day).answers == 1
    finally:
        monkeypatch.undo()
        time.tzset()


def test_limits_of_a_query(index: Searchable) -> None:
    one, two = index.session(ONE, "/home/me/one"), index.session(TWO, "/home/me/two")
    spend(one, "m1")
    spend(two, "m2", model=MODELS[1])
    index.update()
    assert total(index, project="/home/me/one").answers == 1
    assert total(index, model=MODELS[1]).answers == 1
    assert total(index, session=(two.path.parent.name, TWO)).answers == 1
    assert total(index, project="/nowhere").answers == 0


def test_prompts_time_and_lines_are_counted_with_the_answer_that_follows(index: Searchable) -> None:
    session = index.session()
    session.prompt("go", at=0)
    session.add("assistant", [{"type": "tool_use", "id": "c", "name": "Edit", "input": {}}], at=10)
    patch = {"structuredPatch": [{"lines": [" a", "-b", "+c", "+d"]}]}
    session.add("user", [{"type": "tool_result", "tool_use_id": "c"}], at=20, toolUseResult=patch)
    spend(session, "m1", at=30)
    session.prompt("and on the next day", at=90_000)
    spend(session, "m2", at=90_000 + 3_600)  # waited for an answer of the person
    index.update()
    found = total(index)
    assert (found.prompts, found.seconds, found.added, found.removed) == (2, 30 + 300, 2, 1)


def test_what_the_cli_says_is_beside_our_sum(index: Searchable) -> None:
    session = index.session()
    spend(session, "m1")
    session.write(json.dumps({"type": "cost-state", "totalCostUSD": 0.5}) + "\n")
    session.write(json.dumps({"type": "cost-state", "totalCostUSD": 1.25}) + "\n")
    spend(index.session(TWO), "m2")
    index.update()
    found = index.reader.usage(UsageQuery(), UsageSums.said)[0]
    ours = 1_000 * 4_000_000 + 100 * 20_000_000
    assert (found.sessions, found.said, found.ours) == (1, PICO * 5 // 4, ours)
    assert {each.said for each in groups(index, By.SESSION)} == {PICO * 5 // 4, None}


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("claude-opus-5-5", 4),
        ("claude-opus-5-5[1m]", 4),
        ("claude-sonnet-4-20250514", 3),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", 15),
        ("claude-haiku-4-5@20251001", 1),
        ("claude-3-5-sonnet-latest", 3),
        ("claude-opus-4-99", None),
        ("claude-opus", None),
        ("gpt-7", None),
        ("", None),
    ],
)
def test_price_is_found_by_the_family_of_a_model(model: str, dollars: int | None) -> None:
    price = price_of(model)
    assert (price and price.input) == dollars


def test_hostile_figures_do_not_break_the_sums(index: Searchable) -> None:
    session = index.session()
    hostile: tuple[Any, ...] = (-1, 10**30, "7", None, True, [], 1.5)
    for number, value in enumerate(hostile):
        spend(session, f"m{number}", usage={"input_tokens": value, "output_tokens": 1})
    spend(session, "cost", costUSD=10**300)
    index.update()
    assert total(index).output == len(hostile) + 100


def test_costs_beyond_what_the_database_can_add_are_summed(index: Searchable) -> None:
    """A made-up history could otherwise hide the usage of all others, by one overflow."""
    count_of_each = 120
    for number in range(count_of_each):
        session = index.session(str(uuid.UUID(int=number)))
        spend(session, f"r{number}", model="claude-unheard-of", costUSD=100_000.0)
        session.write(json.dumps({"type": "cost-state", "totalCostUSD": 100_000.0}) + "\n")
    index.update()
    dollars = count_of_each * 100_000.0
    assert total(index).cost / PICO == pytest.approx(dollars)
    said = index.reader.usage(UsageQuery(), UsageSums.said)[0]
    assert said.sessions == count_of_each
    assert said.said / PICO == pytest.approx(dollars)
    (day,) = groups(index, By.DAY)
    assert isinstance(day.sums.cost, int)


def test_a_file_that_claims_more_than_the_database_holds_is_counted_up_to_a_limit(
    index: Searchable,
) -> None:
    session = index.session()
    for number in range(120):
        spend(session, f"r{number}", model="claude-unheard-of", costUSD=100_000.0)
    index.update()
    spend(session, "last", model="claude-unheard-of", costUSD=100_000.0)
    index.update()
    assert total(index).answers == 121
    assert total(index).cost == MOST


def test_many_made_up_models_are_listed_in_part_and_in_time(index: Searchable) -> None:
    session, number_of_models = index.session(), 5_000
    answer = {"type": "assistant", "timestamp": "2026-11-18T09:00:00.000Z"}
    for number in range(number_of_models):
        message = {"id": f"m{number}", "model": f"m{number}", "usage": {"input_tokens": number + 1}}
        session.write(json.dumps({**answer, "message": message}) + "\n")
    index.update()
    began = time.process_time()
    shown, number, unpriced, whole = index.reader.usage(
        UsageQuery(),
        lambda sums: (
            sums.groups(By.MODEL, 10),
            sums.count(By.MODEL),
            sums.unpriced_models(4),
            sums.total(),
        ),
    )[0]
    assert time.process_time() - began < 1.5  # it took the square of their number
    assert (len(shown), number, len(unpriced)) == (10, number_of_models, 4)
    assert (whole.answers, whole.sessions) == (number_of_models, 1)


def test_the_name_of_a_model_is_cut(index: Searchable) -> None:
    spend(index.session(), "m1", model="m" * 5_000)
    index.update()
    (group,) = groups(index, By.MODEL)
    assert group.key == "m" * LONGEST_MODEL


def test_names_in_the_index_are_bounded(index: Searchable) -> None:
    session = index.session()
    spend(session, "m1", gitBranch="b" * 100_000)
    session.call("T" * 100_000, "call-1")
    index.update()
    with closing(open_to_read(index.database)) as database:
        (longest,) = database.execute("SELECT max(length(text)) FROM name").fetchone()
    assert longest == LONGEST
    index.update()
    assert total(index).answers == 1


def test_days_have_their_tokens_where_only_undated_answers_have_a_cost(index: Searchable) -> None:
    session = index.session()
    spend(session, "m1", timestamp="long ago")
    spend(session, "m2", model="claude-unheard-of")
    index.update()
    days = index.reader.usage(UsageQuery(), lambda sums: sums.costs_of_days)[0]
    assert sorted((day < 0, costs.cost > 0, costs.tokens) for day, costs in days.items()) == [
        (False, False, 1_100),
        (True, True, 1_100),
    ]
