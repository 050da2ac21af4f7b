"""A long history that is read from its end shows the same blocks as the whole file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.conversation import conversation as conversations
from opcode_htmx.transcript.conversation import earlier, starts
from opcode_htmx.transcript.conversation.conversation import Conversation
from opcode_htmx.transcript.conversation.earlier import WholeNeeded
from tests.support.cli.captured import fragments
from tests.support.cli.long_history import EVENTS, USUAL, HistoryWriter
from tests.support.fuzzing import examples, patient

pytestmark = patient


@contextmanager
def small_parts(context: int = 4, lines: int = 5) -> Iterator[None]:
    """In this context every history is long, and its parts are short."""
    with ExitStack() as stack:
        for module, name, value in (
            (conversations, "LONG", 0),
            (conversations, "LINES", (lines, 3 * lines)),
            (earlier, "LINES", (lines, 3 * lines)),
            (starts, "CONTEXT", context),
        ):
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def conversation(path: Path, *, from_end: bool) -> Conversation:
    read = Conversation(
        "s", runs=lambda: [], history_file=lambda: path, changed=Broadcast(), from_end=from_end
    )
    if from_end:
        read._lines = conversations.LINES[0]
    read.refresh()
    return read


def shown(blocks: list[Block]) -> list[tuple[str, str, str]]:
    render = fragments().block
    return [(block.id, block.order, str(render(block))) for block in blocks]


def compare(path: Path) -> str:
    """Whether the file was read in parts: `parts`, `end` alone, or `whole` as before."""
    whole = conversation(path, from_end=False)
    end = conversation(path, from_end=True)
    end.learn()
    if end.gone:
        return "whole"
    expected, newest = shown(list(whole.blocks())), shown(list(end.blocks()))
    assert newest == expected[len(expected) - len(newest) :]
    assert end.todos() == whole.todos()
    assert end.context_usage == whole.context_usage
    assert end.cursor.history == whole.cursor.history
    if end.earlier is None:
        assert len(newest) == len(expected)
        return "whole"
    parts = []
    try:
        parts = [shown(part.blocks) for part in end.earlier.walk()]
    except WholeNeeded:
        return "end"
    assert [block for part in reversed(parts) for block in part] == expected[: -len(newest)]
    for block_id, *_ in expected:
        found, known = end.block(block_id), whole.block(block_id)
        assert found is not None and known is not None
        assert shown([found]) == shown([known])
    return "parts"


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


@examples(80)
@given(st.lists(EVENT, min_size=15, max_size=60), st.sampled_from((0, 0, 1, 9)))
def test_end_and_earlier_parts_are_those_of_the_whole(
    folder: Path, events: list[tuple[str, int]], torn: int
) -> None:
    with small_parts():
        compare(written(folder, events, torn))
