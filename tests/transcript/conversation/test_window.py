"""The window of a transcript on a page, and paging to earlier blocks."""

from __future__ import annotations

import pytest

from opcode_htmx.transcript.blocks import Block, NoticeBlock
from opcode_htmx.transcript.conversation import window
from opcode_htmx.transcript.conversation.window import FIRST, STEP


def blocks(count: int) -> list[Block]:
    return [
        NoticeBlock(
            id=f"n{number}", order=f"0.{number}.1", created=number, revision=number, text=""
        )
        for number in range(count)
    ]


def ids(shown: window.Window | None) -> list[str]:
    assert shown is not None
    return [block.id for block in shown.blocks]


@pytest.mark.parametrize("count", [0, 1, FIRST])
def test_short_transcript_is_sent_whole(count: int) -> None:
    shown = window.newest(blocks(count))
    assert (len(shown.blocks), shown.hidden, shown.step_from) == (count, 0, "")


def test_first_response_has_the_newest_blocks_and_the_number_omitted() -> None:
    shown = window.newest(blocks(FIRST + 7))
    assert ids(shown) == [f"n{number}" for number in range(7, FIRST + 7)]
    assert (shown.hidden, shown.first, shown.step_from) == (7, "n7", "n0")


def test_a_page_from_a_block_on_shows_all_that_follows() -> None:
    shown = window.newest(blocks(3 * STEP), "n150")
    assert ids(shown) == [f"n{number}" for number in range(150, 3 * STEP)]
    assert (shown.hidden, shown.step_from) == (150, f"n{150 - STEP}")


def test_a_page_from_an_unknown_block_on_shows_the_newest() -> None:
    assert ids(window.newest(blocks(FIRST + 7), "gone"))[0] == "n7"


def test_paging_back_yields_each_earlier_block_once() -> None:
    every = blocks(FIRST + 2 * STEP + 30)
    seen = ids(shown := window.newest(every))
    while shown.hidden:
        found = window.before(every, shown.first)
        assert found is not None
        assert len(found.blocks) <= STEP
        assert found.first == shown.step_from
        shown = found
        seen = ids(shown) + seen
    assert seen == [block.id for block in every]


def test_unknown_block_has_no_older_blocks() -> None:
    assert window.before(blocks(3), "gone") is None
