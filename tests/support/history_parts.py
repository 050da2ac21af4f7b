"""Compare a session that is read from its end with the whole: they show the same blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal
from unittest import mock

from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.runs.control.run import Run
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.conversation import folded_parts, history_scan, starts
from opcode_htmx.transcript.conversation import parts as conversation_parts
from opcode_htmx.transcript.conversation.conversation import Conversation
from opcode_htmx.transcript.conversation.folded_parts import WholeNeeded
from tests.support.cli.captured import fragments

Reading = Literal["parts", "end", "whole"]
"""Whether a session was read in parts, its end alone, or as a whole, because it has to be."""


@contextmanager
def small_parts(context: int = 4, lines: int = 5, piece: int = 3_000) -> Iterator[None]:
    """In this context every history is long, and its parts are short."""
    with ExitStack() as stack:
        for module, name, value in (
            (conversation_parts, "LONG", 0),
            (conversation_parts, "LINES", (lines, 3 * lines)),
            (folded_parts, "LINES", (lines, 3 * lines)),
            (starts, "CONTEXT", context),
            (history_scan, "PIECE", piece),
        ):
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def conversation(
    path: Path, *, from_end: bool, runs: Callable[[], Sequence[Run]] = lambda: ()
) -> Conversation:
    """A conversation that was read up to now."""
    read = Conversation(
        "s", runs=runs, history_file=lambda: path, changed=Broadcast(), from_end=from_end
    )
    read.refresh()
    return read


def shown(blocks: Sequence[Block]) -> list[tuple[str, str, str]]:
    """The ids of blocks, their places, and their HTML."""
    render = fragments().block
    return [(block.id, block.order, str(render(block))) for block in blocks]


def usage_of(conversation: Conversation) -> tuple[int, int, float | None]:
    """What the page shows of the context and the cost."""
    usage = conversation.context_usage
    return usage.tokens, usage.window, usage.cost_usd


def compare(path: Path, runs: Callable[[], Sequence[Run]] = lambda: ()) -> Reading:
    """Assert that all blocks are the same, and what follows from them."""
    whole = conversation(path, from_end=False, runs=runs)
    end = conversation(path, from_end=True, runs=runs)
    end.learn()
    if end.gone:
        return "whole"
    expected, newest = shown(list(whole.blocks())), shown(list(end.blocks()))
    assert newest == expected[len(expected) - len(newest) :]
    assert end.todos() == whole.todos()
    assert usage_of(end) == usage_of(whole)
    assert (end.cursor.run, end.cursor.history) == (whole.cursor.run, whole.cursor.history)
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
