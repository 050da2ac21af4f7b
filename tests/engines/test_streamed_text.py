"""Deltas of streamed text and the complete text that follows: each character is emitted once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.contents import TextContent, ThinkingContent, ToolUse
from opcode_htmx.engines.messages import BlockDelta, BlockStart, MessageStart
from opcode_htmx.engines.streamed_text import (
    StreamedText,
    StreamedTexts,
    Update,
    update_to,
)


def text() -> StreamedText:
    return StreamedText(TextContent, "m", 0, None)


@pytest.mark.parametrize(
    ("before", "whole", "update"),
    [
        ("", "abc", Update("abc")),
        ("ab", "abc", Update("c")),
        ("abc", "abc", Update("")),
        ("abx", "abc", Update("abc", replaces=True)),
        ("abc", "", Update("", replaces=True)),
    ],
)
def test_complete_text_continues_or_replaces_the_deltas(
    before: str, whole: str, update: Update
) -> None:
    assert update_to(whole, before) == update


@given(st.lists(st.text(max_size=5)), st.text(max_size=20), st.data())
def test_updates_add_up_to_the_complete_text(
    pieces: list[str], whole: str, data: st.DataObject
) -> None:
    streamed, found = text(), ""

    def take() -> None:
        nonlocal found
        if update := streamed.take():
            found = update.text if update.replaces else found + update.text

    for piece in pieces:
        streamed.append(piece)
        if data.draw(st.booleans()):
            take()
    streamed.finish(whole)
    take()
    assert streamed.take() is None
    assert found == whole or not whole  # an empty whole takes nothing back


def test_pieces_belong_to_the_message_that_streams() -> None:
    texts = StreamedTexts()
    texts.begin_message(MessageStart("m1", None))
    texts.begin_message(MessageStart("m2", "tool"))
    own = texts.begin(BlockStart(None, 0, TextContent("a"), None))
    agents = texts.begin(BlockStart(None, 0, ThinkingContent("b"), "tool"))
    assert own is not None
    assert agents is not None
    assert texts.append(BlockDelta(None, 0, "c", "tool")) is agents
    assert (own.message_id, own.waiting) == ("m1", "a")
    assert (agents.message_id, agents.parent, agents.waiting) == ("m2", "tool", "bc")


def test_a_content_block_of_another_kind_is_no_text() -> None:
    texts = StreamedTexts()
    assert texts.begin(BlockStart("m", 0, ToolUse("t", "Bash", {}), None)) is None
    assert texts.append(BlockDelta("m", 0, "x", None)) is None


def test_complete_text_belongs_to_the_oldest_open_block_of_its_kind() -> None:
    texts = StreamedTexts()
    first = texts.begin(BlockStart("m", 0, TextContent(""), None))
    thought = texts.begin(BlockStart("m", 1, ThinkingContent(""), None))
    second = texts.begin(BlockStart("m", 2, TextContent(""), None))
    assert texts.finish(TextContent, "m", "one") is first
    assert texts.finish(TextContent, "m", "two") is second
    assert texts.finish(TextContent, "m", "three") is None
    assert list(texts.unfinished()) == [thought]
    assert texts.append(BlockDelta("m", 0, "late", None)) is None
