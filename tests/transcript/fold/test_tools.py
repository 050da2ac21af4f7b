"""Tools, requests and subagents: from their call to their end, whatever is missing."""

from __future__ import annotations

import pytest

from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.transcript.blocks import AskBlock, TextBlock, ToolBlock
from tests.support.cli.captured import line
from tests.transcript.fold.lines import (
    RESULT,
    ask,
    begin,
    call,
    feed,
    only,
    outcome,
    piece,
    states,
    text_of,
    user,
)


def test_a_result_without_a_call_is_shown_as_a_tool() -> None:
    block = only(feed(outcome()), ToolBlock)
    assert isinstance(block, ToolBlock)
    assert (block.id, block.name, block.output, block.state) == ("t", "Tool", "listed", "done")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([call()], "running"),
        ([call(), outcome()], "done"),
        ([call(), outcome(is_error=True)], "error"),
        ([call(), outcome(is_error=True, toolDenialKind="permission-rule")], "denied"),
        ([call(), outcome(is_error=True, toolDenialKind="user-rejected")], "interrupted"),
        ([call(), RESULT], "interrupted"),
        ([call(), RESULT, outcome()], "done"),
        ([call(), ask(), encoder.deny_line("r", "no"), outcome(is_error=True)], "denied"),
        ([call(), user("[Request interrupted by user for tool use]")], "interrupted"),
    ],
)
def test_a_tool_goes_from_running_to_how_it_ended(lines: list[bytes], expected: str) -> None:
    assert states(feed(*lines))[:1] == [expected]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", ["waiting", "open"]),
        (encoder.allow_line("r", {}), ["running", "allowed"]),
        (encoder.deny_line("r", "no"), ["denied", "denied"]),
        (line(type="control_cancel_request", request_id="r"), ["running", "withdrawn"]),
        (RESULT, ["interrupted", "withdrawn"]),
        (encoder.allow_line("another", {}), ["waiting", "open"]),
    ],
)
def test_request_changes_from_open_to_its_outcome(answer: bytes, expected: list[str]) -> None:
    assert states(feed(call(), ask(), *([answer] if answer else []))) == expected


def test_a_second_answer_changes_nothing() -> None:
    transcript = feed(call(), ask(), encoder.allow_line("r", {}), encoder.deny_line("r", "no"))
    assert states(transcript) == ["running", "allowed"]


def test_request_for_an_unknown_tool_is_a_top_level_block() -> None:
    transcript = feed(ask(), encoder.deny_line("r", "no"))
    assert isinstance(only(transcript), AskBlock)
    assert states(transcript) == ["denied"]


def test_the_end_of_a_turn_ends_a_subagent_that_claude_waits_for() -> None:
    child = call("child", parent_tool_use_id="t")
    assert states(feed(call(name="Task"), child, RESULT)) == ["interrupted", "interrupted"]


def test_the_end_of_a_turn_leaves_a_subagent_in_the_background_alone() -> None:
    child = [
        call("child", name="Task", parent_tool_use_id="t"),
        outcome("child", parent_tool_use_id="t"),
        call("grandchild", parent_tool_use_id="child"),
        ask("r", "grandchild"),
    ]
    lines = [call(name="Task"), outcome(), *child, RESULT]
    assert states(feed(*lines)) == ["done", "done", "waiting", "open"]
    # also where a subagent waits for one of its own
    assert states(feed(call(name="Task"), outcome(), child[0], child[2], RESULT)) == [
        *("done", "running", "running"),
    ]
    ended = line(type="system", subtype="task_notification", tool_use_id="child", uuid="n")
    assert states(feed(*lines, ended)) == ["done", "done", "interrupted", "withdrawn"]


def test_nothing_is_open_when_the_file_is_at_its_end() -> None:
    transcript = feed(
        *(begin(0), piece(0, "Hel"), call(), ask(), call("u", name="Task"), outcome("u")),
        call("child", parent_tool_use_id="u"),
    )
    before = transcript.offset
    transcript.close(error="It crashed.", notice="On stderr.")
    assert states(transcript) == ["interrupted", "withdrawn", "done", "interrupted"]
    assert not [b for b in transcript if isinstance(b, TextBlock) and b.open]
    assert [text_of(block) for block in transcript.blocks[-2:]] == ["It crashed.", "On stderr."]
    assert transcript.offset == before + 1
    # an up-to-date viewer gets only the changes made by closing
    assert [block.kind for block in transcript.changed_since(before)] == [
        *("tool", "ask", "tool", "error", "notice"),
    ]


def test_tool_result_in_a_synthetic_line_is_used() -> None:
    assert states(feed(call(), outcome(isMeta=True))) == ["done"]


def test_child_of_an_unknown_tool_is_a_top_level_block() -> None:
    transcript = feed(user("hello"), call(parent_tool_use_id="p"))
    assert [block.kind for block in transcript.blocks] == ["prompt", "tool"]


def test_the_end_of_a_turn_looks_at_open_blocks_only() -> None:
    """A session of a thousand turns does not cost a million looks."""
    transcript = feed(*(call(f"t{n}", message_id=f"m{n}") for n in range(3)), outcome("t1"))
    assert set(transcript._store.unfinished) == {"t0", "t2"}
    transcript.feed(parser.parse(RESULT), transcript.offset + 1)
    assert not transcript._store.unfinished
