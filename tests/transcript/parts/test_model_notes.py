"""What a tool result says for the model only is not shown, and nothing else is hidden."""

from __future__ import annotations

import pytest

from opcode_htmx.rendering import to_markdown, tool_cards
from tests.transcript.parts.parts import called, tool

REMINDER = "<system-reminder>\nBe brief.\n</system-reminder>"


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (f"a\n\n{REMINDER}\n", "a"),
        (f"a\n{REMINDER}\n\n{REMINDER}", "a"),
        (REMINDER, ""),
        (f"{REMINDER}\na", f"{REMINDER}\na"),
        (f"a\n{REMINDER}\nb", f"a\n{REMINDER}\nb"),
        (f"a {REMINDER}", f"a {REMINDER}"),
        ("1\ta\n2\t<system-reminder>x</system-reminder>", None),
        ("a</system-reminder>", "a</system-reminder>"),
        ("<tool_use_error>No.</tool_use_error>", "No."),
        ("(mcp__x__get completed with no output)", ""),
    ],
)
def test_only_whole_blocks_at_the_end_of_a_result_are_the_clis(
    output: str, shown: str | None
) -> None:
    assert tool_cards.result_text(tool(called(output))) == (output if shown is None else shown)


def test_a_result_that_its_tool_has_noted_itself_is_shown_as_noted() -> None:
    own = f"a\n{REMINDER}"
    for noted in (own, [{"type": "text", "text": own}]):
        assert tool_cards.result_text(tool(called(own, toolUseResult=noted))) == own
        added = called(f"{own}\n\n{REMINDER}", toolUseResult=noted)
        assert tool_cards.result_text(tool(added)) == own


def test_rejected_call_shows_only_the_reason_given() -> None:
    for_the_model = "Nobody wants this call. Leave it alone and wait"
    stopped = "User rejected tool use"
    assert tool_cards.result_text(tool(called(for_the_model, toolUseResult=stopped))) == ""
    said = f"{for_the_model}. And the user said:\nUse spades."
    assert tool_cards.result_text(tool(called(said, toolUseResult=stopped))) == "Use spades."


@pytest.mark.parametrize(
    ("name", "output", "details"),
    [
        ("Edit", "The file holds the new words now.", None),
        ("TodoWrite", "The list is the new one. Go on with it.", None),
        ("ExitPlanMode", "The plan was allowed. Begin with it.", None),
        ("Task", "The agent a1 has begun.", {"status": "async_launched"}),
        ("Bash", "The command goes on as b1.", {"backgroundTaskId": "b1"}),
    ],
)
def test_confirmations_for_the_model_are_not_exported(
    name: str, output: str, details: object
) -> None:
    block = tool(called(output, name, toolUseResult=details))
    assert tool_cards.result_text(block) == ""
    assert output not in to_markdown.source(block)
