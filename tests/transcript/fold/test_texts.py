"""Texts and thoughts that arrive in pieces and complete."""

from __future__ import annotations

from opcode_htmx.transcript.blocks import TextBlock
from tests.support.cli.captured import line
from tests.transcript.fold.lines import (
    assistant,
    begin,
    call,
    end,
    event,
    feed,
    only,
    piece,
    states,
    text_of,
)


def test_complete_text_after_its_deltas_is_not_duplicated() -> None:
    pieces = [begin(0), piece(0, "Hel"), piece(0, "lo")]
    whole = assistant({"type": "text", "text": "Hello there"})
    orders = [
        [*pieces, whole, end(0)],
        [*pieces, end(0), whole],
        [begin(0), whole, *pieces[1:], end(0)],
        [whole, *pieces, end(0)],
        [whole],
    ]
    for lines in orders:
        block = only(feed(*lines), TextBlock)
        assert (block.id, text_of(block)) == ("msg_1-0", "Hello there")


def test_a_message_without_pieces_has_the_same_blocks() -> None:
    """Without --include-partial-messages, and in history."""
    whole = [
        assistant({"type": "thinking", "thinking": "a"}),
        assistant({"type": "text", "text": "b"}),
    ]
    streamed = [
        *(begin(0, "thinking"), piece(0, "a"), whole[0], end(0)),
        *(begin(1), piece(1, "b"), whole[1], end(1)),
    ]
    ids = [("msg_1-0", "thinking"), ("msg_1-1", "text")]
    for lines in (whole, streamed):
        assert [(block.id, block.kind) for block in feed(*lines).blocks] == ids


def test_complete_text_replaces_differing_deltas() -> None:
    transcript = feed(
        *(begin(0), piece(0, "Helo"), end(0), assistant({"type": "text", "text": "Hello"}))
    )
    block = only(transcript, TextBlock)
    assert isinstance(block, TextBlock)
    assert text_of(block) == "Hello"
    assert [part.text for part in block.markdown.parts] == ["Hello"]
    # a viewer with the deltas gets the complete text
    assert block.created == transcript.offset


def test_blocks_without_text_show_nothing_and_shift_no_ids() -> None:
    streamed = feed(
        *(begin(0), piece(0, " \n"), end(0)),
        *(begin(1, "thinking"), end(1)),
        *(begin(2), piece(2, "\n"), piece(2, "Real"), end(2)),
        assistant({"type": "text", "text": "\nReal"}),
    )
    history = feed(
        assistant({"type": "text", "text": " \n"}, apiBlockIndex=0),
        assistant({"type": "thinking", "thinking": ""}, apiBlockIndex=1),
        assistant({"type": "text", "text": "\nReal"}, apiBlockIndex=2),
        run_id=None,
    )
    for transcript in (streamed, history):
        block = only(transcript, TextBlock)
        assert (block.id, text_of(block)) == ("msg_1-2", "\nReal")


def test_message_started_in_another_part_keeps_its_ids() -> None:
    late = assistant({"type": "text", "text": "a"}, {"type": "text", "text": "b"}, apiBlockIndex=2)
    assert [block.id for block in feed(late, run_id=None).blocks] == ["msg_1-2", "msg_1-3"]


def test_two_texts_of_one_message_do_not_mix() -> None:
    transcript = feed(
        *(begin(0), piece(0, "a"), assistant({"type": "text", "text": "aa"})),
        *(begin(1), piece(1, "b"), assistant({"type": "text", "text": "bb"})),
    )
    assert [(b.id, text_of(b)) for b in transcript.blocks] == [("msg_1-0", "aa"), ("msg_1-1", "bb")]


def test_repeated_tool_call_appears_once() -> None:
    use = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
    again = event(type="content_block_start", index=0, content_block=use)
    assert states(feed(again, call(), again)) == ["running"]


def test_two_messages_that_stream_at_once_do_not_mix() -> None:
    transcript = feed(
        *(begin(0), begin(0, message_id="msg_2"), piece(0, "a"), piece(0, "b", "msg_2")),
        *(piece(0, "a"), piece(0, "b", "msg_2")),
    )
    assert [text_of(block) for block in transcript.blocks] == ["aa", "bb"]


def test_pieces_without_a_message_id_belong_to_the_message_that_began() -> None:
    transcript = feed(
        line(type="stream_event", event={"type": "message_start", "message": {"id": "msg_9"}}),
        event("", type="content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("", type="content_block_delta", index=0, delta={"text": "a"}),
    )
    assert only(transcript).id == "msg_9-0"


def test_delta_without_a_message_start_is_ignored() -> None:
    assert feed(piece(0, "lost"), end(0)).blocks == []
