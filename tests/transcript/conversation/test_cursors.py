"""Cursors: the changes since any of them are complete."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.runs.control.run import Run
from opcode_htmx.transcript.conversation.conversation import Conversation
from opcode_htmx.transcript.conversation.cursor import Cursor
from tests.support.cli.captured import Captured, capture, fragments
from tests.support.cli.supervision import CODEC, finish
from tests.support.pages import dom
from tests.transcript.conversation.conversations import (
    RESULT,
    Session,
    answer,
    prompt,
    say,
    turn,
    words,
)


@pytest.fixture(scope="session")
def captured(claude: Path) -> Captured:
    return capture(claude)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        ":",
        "1",
        "1:",
        ":1",
        "-1:2",
        "1:-2",
        "1.5:2",
        "1:2",
        "1:2:3:",
        "1:2:3:x",
        " 1:2:3",
        "1:2:3\n",
        "٣:٤:٥",
        "9" * 99,
    ],
)
def test_invalid_cursor_means_the_beginning(text: str) -> None:
    assert Cursor.parse(text) == Cursor(0, 0)


def test_cursor_round_trips_through_its_text() -> None:
    for cursor in (Cursor(3, 12345, 67), Cursor(3, 12345, 67, ("a1", "b2"))):
        assert Cursor.parse(str(cursor)) == cursor
    most = 999_999_999_999_999
    assert Cursor.parse(f"999999:{most}:{most}") == Cursor(999_999, most, most)


def stages(session: Session) -> list[Callable[[], object]]:
    """Events of a session, step by step."""
    runs: list[Run] = []

    def begin() -> None:
        runs.append(session.begin())

    return [
        lambda: session.note(*turn("one")),
        lambda: session.note(prompt("two")),
        lambda: session.note(answer("two!")),
        begin,
        lambda: say(runs[-1], prompt("three")),
        lambda: say(runs[-1], answer("three!"), RESULT),
        lambda: session.note(*turn("three")),
        lambda: finish(runs[-1], 1),
        lambda: session.note(*turn("four")),
        begin,
        lambda: say(runs[-1], *turn("five"), RESULT),
        lambda: session.note(*turn("five")),
        lambda: finish(runs[-1], 0),
        begin,
        lambda: say(runs[-1], prompt("six")),
        lambda: finish(runs[-1], 0),
        lambda: session.note(*turn("seven")),
    ]


def test_changes_since_any_cursor_are_complete(session: Session) -> None:
    """Also across segments, also when it was away, also by another server."""
    render = fragments()
    conversation = session.conversation()
    viewers: list[tuple[Cursor, dom.Node]] = []
    for stage in stages(session):
        conversation.refresh()
        viewers.append((conversation.cursor, _page(conversation, render)))
        stage()
    conversation.refresh()
    other = session.conversation()
    other.refresh()
    assert other.cursor == conversation.cursor
    final = str(_page(conversation, render))
    assert str(_page(other, render)) == final
    for server in (conversation, other):
        for cursor, page in viewers:
            again = dom.parse(str(page))
            dom.apply(again, render.changes(server.changes_since(cursor)))
            assert str(again) == final


def _page(conversation: Conversation, render: Fragments) -> dom.Node:
    blocks = "".join(render.block(block) for block in conversation.blocks())
    return dom.parse(f'<section id="transcript">{blocks}</section>')


def test_cursor_at_the_end_has_no_changes(session: Session) -> None:
    session.note(*turn("one"))
    conversation = session.conversation()
    conversation.refresh()
    assert conversation.changes_since(conversation.cursor) == []


def test_cursor_of_a_removed_run_gets_everything(session: Session) -> None:
    session.note(*turn("one"))
    conversation = session.conversation()
    conversation.refresh()
    everything = conversation.changes_since(Cursor())
    assert conversation.changes_since(Cursor(99, 0)) == everything != []


def test_a_block_is_found_by_its_id_in_whichever_segment(session: Session) -> None:
    session.note(*turn("one"))
    run = session.begin()
    say(run, *turn("two"))
    conversation = session.conversation()
    conversation.refresh()
    assert [conversation.block(f"p-{text}") for text in ("one", "two")] == [
        block for block in conversation.blocks() if block.kind == "prompt"
    ]
    assert conversation.block("p-three") is None


def test_page_of_a_real_run_is_the_same_from_its_folder_and_from_history(
    session: Session, captured: Captured
) -> None:
    run = session.begin()
    say(run, *captured.stdout)
    session.note(*captured.history)
    run.fold_new_lines()
    finish(run, 0)
    conversation = session.conversation()
    conversation.refresh()
    live = [b.id for b in conversation.blocks() if b.kind not in ("ask", "summary")]
    shutil.rmtree(run.folder.path)
    conversation = session.conversation()
    conversation.refresh()
    assert [block.id for block in conversation.blocks()] == live
    assert len(live) > 40


def test_run_ended_by_another_worker_precedes_the_next_run(
    session: Session,
) -> None:
    owned_there = session.begin()
    seen_here = Run(owned_there.folder, owned_there.folder.load(), Broadcast(), CODEC)
    session.runs[0] = seen_here
    conversation = session.conversation()
    conversation.refresh()
    finish(owned_there, 1)  # not reported to this worker yet
    second = session.begin()
    say(second, *turn("two"), RESULT)
    conversation.refresh()
    cursor = conversation.cursor
    assert words(conversation) == ["Claude ended with exit status 1.", "two", "two!"]
    assert conversation.changes_since(cursor) == []
