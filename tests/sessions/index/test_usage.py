"""What was used is counted once, to the token and the cent, wherever an answer is repeated."""

from __future__ import annotations

import json
import os
import random
import shutil
import uuid
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opcode_htmx.engines.claude.files.fork import fork
from opcode_htmx.engines.claude.protocol.usage.entries import PICO
from opcode_htmx.sessions.index.usage.figures import By, Sums
from tests.sessions.index.histories import NOON, ONE, Searchable, Session
from tests.sessions.index.plain_count import count
from tests.sessions.index.spending import MODELS, answers, groups, spend, total


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


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
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
