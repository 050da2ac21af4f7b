"""A long history that is read from its end shows the same blocks as the whole file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fuzzing import examples, patient
from tests.support.history_parts import compare, conversation, shown, small_parts
from tests.support.long_history import EVENTS, USUAL, HistoryWriter
from tests.transcript.conversation.conversations import RESULT, Session, prompt, say, turn

pytestmark = patient


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def written(folder: Path, events: list[tuple[str, int]], torn: int = 0) -> Path:
    writer = HistoryWriter(folder / f"{random.randrange(10**12)}.jsonl")  # noqa: S311
    for name, number in events:
        writer.play(name, number)
    return writer.save(torn)


EVENT = st.tuples(st.sampled_from(USUAL * 5 + EVENTS), st.integers(0, 7))


@examples(50)
@given(st.lists(EVENT, min_size=15, max_size=60), st.sampled_from((0, 0, 1, 9)))
def test_end_and_earlier_parts_are_those_of_the_whole(
    folder: Path, events: list[tuple[str, int]], torn: int
) -> None:
    with small_parts():
        compare(written(folder, events, torn))


def usual(count: int) -> list[tuple[str, int]]:
    return [(USUAL[number % len(USUAL)], number % 8) for number in range(count)]


def test_usual_session_is_read_in_parts(folder: Path) -> None:
    with small_parts():
        assert compare(written(folder, usual(60))) == "parts"


def test_only_the_end_of_a_long_history_is_read(folder: Path) -> None:
    path = written(folder, usual(400))
    with small_parts():
        read = conversation(path, from_end=True)
    assert 0 < read.size < path.stat().st_size / 20


def test_short_history_is_read_as_a_whole(folder: Path) -> None:
    read = conversation(written(folder, usual(20)), from_end=True)
    assert read.earlier is None


@pytest.mark.parametrize(
    "event", sorted(set(EVENTS) - {"new_root", "lost_parent", "parent_below", "again"})
)
def test_what_is_far_above_does_not_need_the_whole(folder: Path, event: str) -> None:
    events = [*usual(16), (event, 1), *usual(24)]
    with small_parts(context=6, lines=12, piece=40_000):
        assert compare(written(folder, events)) == "parts"


REFERRING_BACK = {
    "a result of a call far above": [*usual(10), ("slow_tool", 40), *usual(41)],
    "an agent that ends far below": [*usual(10), ("background_agent", 40), *usual(41)],
    "a rewind far back": [*usual(60), ("rewind", 3)],
    "another program's branch wins": [
        *usual(8),
        ("checkpoint", 0),
        *usual(4),
        ("other_program", 60),
    ]
    + usual(30),
    "a recorded parent that stands below": [*usual(8), ("parent_below", 1), *usual(30)],
    "a recorded parent far below": [*usual(8), ("parent_below", 21), *usual(40)],
    "a line that stands there already": [*usual(40), ("again", 50), *usual(3)],
}


@pytest.mark.parametrize("events", REFERRING_BACK.values(), ids=list(REFERRING_BACK))
def test_end_that_refers_far_back_is_shown_as_in_the_whole(
    folder: Path, events: list[tuple[str, int]]
) -> None:
    with small_parts():
        compare(written(folder, events))


def test_line_that_refers_to_what_was_not_read_ends_the_conversation(folder: Path) -> None:
    writer = HistoryWriter(folder / "late.jsonl")
    writer.play("slow_tool", 50)
    for name, number in usual(49):
        writer.play(name, number)
    with small_parts():
        read = conversation(writer.save(), from_end=True)
        assert (read.earlier is not None, read.gone) == (True, False)
        for name, number in usual(3):
            writer.play(name, number)
        writer.save()
        read.refresh()
        assert read.gone
        assert compare(writer.path) == "whole"


def test_history_before_a_run_is_read_from_its_end(tmp_path: Path) -> None:
    session = Session(tmp_path)
    writer = HistoryWriter(session.history)
    for name, number in [*usual(40), ("open_call", 1), *usual(12), ("open_call", 1), *usual(2)]:
        writer.play(name, number)
    writer.save()
    run = session.begin()
    say(run, *turn("from the phone"), RESULT)
    session.note(*turn("from the phone"))
    with small_parts(lines=6):
        assert compare(session.history, lambda: session.runs) == "parts"
        read = conversation(session.history, from_end=True, runs=lambda: session.runs)
        say(run, prompt("more"))
        read.refresh()
        assert "more" in shown(list(read.blocks()))[-1][2]


@pytest.mark.parametrize("name", ["prompt", "cost"])
def test_last_line_that_is_half_written_is_not_read(folder: Path, name: str) -> None:
    """It may hold all of its JSON already, and is read with its newline."""
    begins_nothing = [("shell", 1)] * 4
    with small_parts():
        assert compare(written(folder, [*usual(40), *begins_nothing, (name, 1)], torn=1)) == "parts"


def test_todo_list_and_cost_are_found_far_above(folder: Path) -> None:
    events = [("todo_list", 1), ("cost", 1), *usual(60)]
    with small_parts():
        read = conversation(written(folder, events), from_end=True)
        assert (read.todos(), read.context_usage.cost_usd) == ((), None)
        read.learn()
        assert [todo.text for todo in read.todos()] == ["Do 0", "Do 1"]
        assert read.context_usage.cost_usd == 1.5
