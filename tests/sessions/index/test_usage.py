"""What was used is counted once, to the token and the cent, wherever an answer is repeated."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
import uuid
from collections import Counter
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opcode_htmx.engines.claude.files.fork import fork
from opcode_htmx.engines.claude.prices import price_of
from opcode_htmx.engines.claude.protocol.usage.entries import LONGEST_MODEL, PICO
from opcode_htmx.sessions.index.schema import open_to_read
from opcode_htmx.sessions.index.usage.figures import By, Group, Sums, UsageQuery
from opcode_htmx.sessions.index.usage.ledger import MOST
from opcode_htmx.sessions.index.usage.sums import UsageSums
from opcode_htmx.sessions.index.writing.names import LONGEST
from tests.sessions.index.histories import NOON, ONE, TWO, Searchable, Session
from tests.sessions.index.plain_count import count

MODELS = ("claude-opus-5-5", "claude-sonnet-5", "claude-sonnet-4-5-20250929", "claude-unheard-of")


def spend(
    session: Session,
    message_id: str,
    *,
    model: str = "claude-opus-5-5",
    usage: dict[str, Any] | None = None,
    **more: Any,
) -> str:
    """Append one entry of an answer with its usage; the uuid."""
    figures = usage or {"input_tokens": 1_000, "output_tokens": 100}
    message = {"id": message_id, "model": model, "usage": figures}
    return session.answer("words", message=message, **more)


def total(index: Searchable, **limits: Any) -> Sums:
    return index.reader.usage(UsageQuery(**limits), UsageSums.total)[0]


def groups(index: Searchable, by: By, **limits: Any) -> list[Group]:
    return index.reader.usage(UsageQuery(**limits), lambda sums: sums.groups(by))[0]


def answers(index: Searchable) -> int:
    index.update()
    return total(index).answers


def as_counted(sums: Sums) -> tuple[Counter[str], Fraction]:
    """The sums in the form of the independent count."""
    tokens = Counter(
        {
            "input": sums.input,
            "output": sums.output,
            "read": sums.cache_read,
            "5m": sums.cache_write_5m,
            "1h": sums.cache_write_1h,
            "answers": sums.answers,
            "unpriced": sums.unpriced,
        }
    )
    return +tokens, Fraction(sums.cost, PICO)


def by_age(index: Searchable) -> list[Path]:
    """All history files; those that a copy was made of are older."""
    files = (index.config_dir / "projects").rglob("*.jsonl")
    return sorted(files, key=lambda each: each.stat().st_mtime_ns)


def generated(index: Searchable, seed: int) -> None:
    """Sessions with repeated lines, compactions, rewinds, subagents, forks, and resumed copies."""
    chance = random.Random(seed)  # noqa: S311 - no secret

    def figures() -> dict[str, Any]:
        hour, written = chance.randrange(3_000), chance.randrange(5_000)
        cache = {"ephemeral_1h_input_tokens": hour, "ephemeral_5m_input_tokens": written}
        return {
            "input_tokens": chance.randrange(60_000),
            "output_tokens": chance.randrange(1, 9_000),
            "cache_read_input_tokens": chance.randrange(20_000),
            "cache_creation_input_tokens": hour + written,
            "cache_creation": cache,
        }

    for number in range(6):
        session = index.session(
            str(uuid.UUID(int=chance.getrandbits(128))), f"/home/me/{number % 2}"
        )
        model, prompts = chance.choice(MODELS), list[str]()
        for turn in range(chance.randrange(2, 8)):
            prompts.append(session.prompt(f"prompt {turn}"))
            for step in range(chance.randrange(1, 5)):
                name = f"msg_{number}_{turn}_{step}"
                for _ in range(chance.randrange(1, 4)):  # the parts of an answer
                    request = f"req_{name}"
                    spend(session, name, model=model, usage=figures(), requestId=request)
            if chance.random() < 0.2:
                session.compaction("what was said")
            elif chance.random() < 0.2 and len(prompts) > 1:
                session.tip = prompts[-1]  # the turn is rewound
        agent = session.of_agent("done")
        usage = {"id": f"msg_a{number}", "model": chance.choice(MODELS), "usage": figures()}
        line = {"type": "assistant", "isSidechain": True, "cwd": session.cwd, "message": usage}
        with agent.open("a") as file:
            file.write(json.dumps(line) + "\n")
        os.utime(session.path, (NOON + number, NOON + number))
        os.utime(agent, (NOON + number, NOON + number))
        if number % 3 == 0:  # as older versions resumed: into a new file
            copy = session.path.with_name(f"{uuid.UUID(int=chance.getrandbits(128))}.jsonl")
            shutil.copyfile(session.path, copy)
            resumed = Session(index.config_dir, copy.stem, session.cwd)
            spend(resumed, f"msg_r{number}", model=model, usage=figures())
            os.utime(copy, (NOON + 60 + number, NOON + 60 + number))
        elif number % 3 == 1:
            fork(session.path, "a fork")


@pytest.mark.parametrize("seed", range(4))
def test_sums_are_those_of_an_independent_count(tmp_path: Path, seed: int) -> None:
    index = Searchable(tmp_path)
    generated(index, seed)
    index.update()
    expected = count(by_age(index))
    assert as_counted(total(index)) == expected
    for by in By:
        parts = [each.sums for each in groups(index, by)]
        assert sum(each.cost for each in parts) == total(index).cost
        assert sum(each.tokens for each in parts) == total(index).tokens
    index.indexer.close()


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(cuts=st.lists(st.integers(1, 60), max_size=6), seed=st.integers(0, 3))
def test_sums_do_not_depend_on_how_often_the_files_were_read(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], seed: int
) -> None:
    index = Searchable(tmp_path_factory.mktemp("usage"))
    whole = Searchable(tmp_path_factory.mktemp("whole"))
    generated(whole, seed)
    files = {path: path.read_bytes().splitlines(keepends=True) for path in by_age(whole)}
    for end in [*sorted(cuts), 10_000]:
        for path, lines in files.items():
            copy = index.config_dir / path.relative_to(whole.config_dir)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(b"".join(lines[:end]))
            os.utime(copy, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns + end))
        index.indexer.look_at_all()
        index.update()
    whole.update()
    assert total(index) == total(whole)
    assert [each.sums for each in groups(index, By.DAY)] == [
        each.sums for each in groups(whole, By.DAY)
    ]
    index.indexer.close()
    whole.indexer.close()


def test_last_line_of_an_answer_counts_also_in_a_later_pass(index: Searchable) -> None:
    session = index.session()
    session.prompt("go")
    spend(session, "m1", usage={"input_tokens": 5, "output_tokens": 1})
    assert answers(index) == 1
    spend(session, "m1", usage={"input_tokens": 5, "output_tokens": 9})
    spend(session, "m2", usage={"input_tokens": 7, "output_tokens": 2})
    assert answers(index) == 2
    assert (total(index).input, total(index).output) == (12, 11)
    spend(session, "m1", usage={"input_tokens": 5, "output_tokens": 30})  # not the newest one
    assert answers(index) == 2
    assert (total(index).input, total(index).output, total(index).prompts) == (12, 32, 1)


def test_same_message_of_another_request_is_another_answer(index: Searchable) -> None:
    session = index.session()
    spend(session, "m1", requestId="r1")
    spend(session, "m1", requestId="r2")
    assert answers(index) == 2


def test_fork_counts_only_what_it_adds_and_everything_once_its_origin_is_gone(
    index: Searchable,
) -> None:
    session = index.session()
    session.prompt("go")
    spend(session, "m1")
    spend(session, "m2")
    forked = Session(index.config_dir, fork(session.path, "a fork"))
    spend(forked, "m3")
    assert answers(index) == 3
    by_session = {each.key: each.sums.answers for each in groups(index, By.SESSION)}
    assert by_session == {ONE: 2, forked.path.stem: 1}
    session.path.unlink()
    assert answers(index) == 3
    assert [each.key for each in groups(index, By.SESSION)] == [forked.path.stem]
    assert total(index).prompts == 1


def test_copy_that_was_read_first_gives_the_answers_back_to_the_older_file(
    index: Searchable,
) -> None:
    session = index.session()
    spend(session, "m1")
    forked = fork(session.path, "a fork")
    hidden = session.path.with_suffix(".hidden")
    session.path.rename(hidden)
    assert answers(index) == 1
    hidden.rename(session.path)
    assert answers(index) == 1
    assert [each.key for each in groups(index, By.SESSION)] == [ONE]
    assert forked


def test_subagents_and_rewound_turns_are_counted_and_shown_apart(index: Searchable) -> None:
    session = index.session()
    session.prompt("go")
    kept = spend(session, "m1")
    session.prompt("wrong")
    spend(session, "m2")
    session.tip = kept
    session.prompt("right")
    spend(session, "m3")
    spend(session, "m4", isSidechain=True)
    index.update()
    found = total(index)
    one = 1_000 * 4_000_000 + 100 * 20_000_000
    assert (found.answers, found.cost) == (4, 4 * one)
    assert (found.agent_answers, found.agent_cost) == (1, one)
    assert (found.rewound_answers, found.rewound_cost) == (1, one)
    kinds = {each.key: each.sums.answers for each in groups(index, By.AGENT)}
    assert kinds == {"main": 3, "agent ": 1}


def test_a_subagents_type_and_project_are_those_of_its_session(index: Searchable) -> None:
    session = index.session()
    spend(session, "m1")
    agent = session.of_agent("done")
    agent.with_suffix(".meta.json").write_text('{"agentType":"explorer"}')
    usage = {"id": "m2", "model": MODELS[0], "usage": {"input_tokens": 7}}
    with agent.open("a") as file:
        file.write(json.dumps({"type": "assistant", "cwd": session.cwd, "message": usage}) + "\n")
    index.update()
    assert {each.key for each in groups(index, By.AGENT)} == {"main", "agent explorer"}
    assert [each.key for each in groups(index, By.PROJECT)] == [session.cwd]
    assert [each.sums.answers for each in groups(index, By.SESSION)] == [2]


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_an_interrupted_answer_has_the_tokens_of_its_text_once(
    index: Searchable, passes: int
) -> None:
    """Claude Code counts a third of its UTF-16 units: it never learns the true number."""
    session, begun = index.session(), {"input_tokens": 10, "output_tokens": 1}
    content = [{"type": "text", "text": "\U0001f600" * 30}]
    whole = {"id": "m1", "model": MODELS[0], "usage": begun, "content": content}
    session.add("assistant", [], message=whole)
    if passes > 1:
        index.update()
        assert total(index).output == 1
    if passes > 2:
        session.prompt("meanwhile")
        index.update()
    call = {"type": "tool_use", "name": "Bash", "input": {"command": "ls"}}
    session.add("assistant", [], message={**whole, "content": [call]}, isAbortedMidStream=True)
    index.update()
    found = total(index)
    assert (found.answers, found.input, found.output) == (1, 10, round((60 + 4 + 17) / 3))
    spend(session, "m2")
    index.update()
    assert total(index).output == found.output + 100


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
