"""Refreshing reads on from where it was, and changes nothing that has been read."""

from __future__ import annotations

import gevent
import pytest

from opcode_htmx.runs.model.line_reader import CHUNK
from opcode_htmx.transcript.conversation import history_part
from opcode_htmx.transcript.conversation.cursor import Cursor
from tests.support.cli.captured import line
from tests.support.cli.supervision import finish
from tests.transcript.conversation.conversations import (
    RESULT,
    Session,
    answer,
    prompt,
    say,
    text_of,
    turn,
)


def test_refreshing_again_changes_nothing(session: Session) -> None:
    session.note(*turn("one"))
    run = session.begin()
    say(run, *turn("two"), RESULT)
    conversation = session.conversation()
    conversation.refresh()
    blocks, cursor = list(conversation.blocks()), conversation.cursor
    for _ in range(3):
        conversation.refresh()
    assert all(one is other for one, other in zip(conversation.blocks(), blocks, strict=True))
    assert conversation.cursor == cursor
    assert conversation.changes_since(cursor) == []


def test_run_older_than_the_history_ends_no_later_block(
    session: Session,
) -> None:
    finish(session.begin(), 0)
    session.note(prompt("go on"))
    conversation = session.conversation()
    conversation.refresh()
    first = conversation.cursor
    conversation.refresh()
    assert conversation.cursor == first
    assert conversation.changes_since(first) == []


def test_refreshing_reads_on_from_where_it_was(session: Session) -> None:
    run = session.begin()
    say(run, *turn("one"))
    conversation = session.conversation()
    conversation.refresh()
    first = list(conversation.blocks())
    say(run, *turn("two"))
    conversation.refresh()
    assert [block is other for block, other in zip(conversation.blocks(), first, strict=False)] == [
        True,
        True,
    ]
    assert len(list(conversation.blocks())) == 4


def test_concurrent_refreshes_neither_duplicate_nor_mix_blocks(session: Session) -> None:
    """The files are large, so that both yield to each other in the middle."""
    filler = "x" * 500
    session.note(*(answer(f"past {number} {filler}") for number in range(1500)))
    run = session.begin()
    say(run, *(answer(f"run {number} {filler}") for number in range(1500)))
    assert session.size() > 2 * CHUNK
    conversation = session.conversation()
    turns: list[int] = []

    def refresh(number: int) -> None:
        turns.append(number)
        conversation.refresh()
        turns.append(number)

    gevent.joinall([gevent.spawn(refresh, number) for number in range(3)], raise_error=True)
    assert turns[:3] == [0, 1, 2]  # they did run at once
    said = [text_of(block).split()[:2] for block in conversation.blocks()]
    assert said == [[kind, str(n)] for kind in ("past", "run") for n in range(1500)]


def test_refresh_in_the_middle_of_a_line_delivers_its_rest(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a subagent did comes in front of one line, and that may take a while."""
    call = {"type": "tool_use", "id": "t1", "name": "Task", "input": {"prompt": "look"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "done"}
    session.note(
        line(type="assistant", uuid="u1", message={"id": "m1", "content": [call]}),
        line(
            type="user",
            uuid="u2",
            message={"content": [result]},
            toolUseResult={"agentId": "a1"},
        ),
    )
    beside = session.history.with_suffix("") / "subagents"
    beside.mkdir(parents=True)
    (beside / "agent-a1.jsonl").write_bytes(b"".join(answer(f"step {n}") for n in range(3)))
    conversation, seen = session.conversation(), list[tuple[Cursor, int]]()

    def said() -> int:
        return sum(len(block.children) for block in conversation.blocks())

    class Looking:
        def step(self) -> None:
            seen.append((conversation.cursor, said()))

    monkeypatch.setattr(history_part, "TimeSlicer", Looking)
    conversation.refresh()
    assert {number for _, number in seen} == {0, 1, 2, 3}
    for cursor, number in seen:
        assert number == said() or conversation.changes_since(cursor), (cursor, number)
