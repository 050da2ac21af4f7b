"""A session of the real CLI: its blocks as it is seen live."""

from __future__ import annotations

import pytest

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.transcript.blocks import (
    AskBlock,
    AskState,
    Block,
    PromptBlock,
    RawBlock,
    SummaryBlock,
    TextBlock,
    ToolBlock,
    ToolState,
)
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import ANSWER, WORDS, Captured, with_ends
from tests.transcript.fold.lines import RUN_ID, nested, text_of


def turn(transcript: Transcript, prompt_id: str) -> list[Block]:
    """The blocks from one prompt to the next."""
    blocks = transcript.blocks
    start = next(i for i, block in enumerate(blocks) if block.id == prompt_id)
    after = (i for i, b in enumerate(blocks) if i > start and isinstance(b, PromptBlock))
    return blocks[start : next(after, len(blocks))]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("say", ["prompt say it", f"text {ANSWER}", "summary"]),
        ("think", ["prompt think of it", "thinking Let me see.", "text I thought.", "summary"]),
        (
            "gaps",
            [
                "prompt gaps please",
                "text Real.",
                "text Last.",
                "tool done",
                "text Done.",
                "summary",
            ],
        ),
        (
            "make",
            [
                "prompt make a file",
                "text I will.",
                "tool done",
                "ask allowed",
                "text Made.",
                "summary",
            ],
        ),
        ("deny", ["prompt deny it", "tool denied", "ask denied", "text Not made.", "summary"]),
        ("busy", ["prompt busy now", "tool done", "ask allowed"]),
        ("meanwhile", ["prompt meanwhile this", "text Both.", "summary"]),
        (
            "edit",
            [
                "prompt edit the poem",
                "tool done",
                "tool done",
                "ask allowed",
                "text Edited.",
                "summary",
            ],
        ),
        ("ask", ["prompt ask me", "tool done", "ask allowed", "text OK.", "summary"]),
        ("fail", ["prompt fail now", "error API Error: 400 No <such> thing.", "summary"]),
        (
            "nap",
            [
                "prompt nap well",
                "tool interrupted",
                "ask allowed",
                "notice Request interrupted by user for tool use.",
                "summary",
            ],
        ),
        (
            "leave",
            [
                "prompt leave it",
                "tool interrupted",
                "ask withdrawn",
                "notice Request interrupted by user for tool use.",
                "summary",
            ],
        ),
        ("goodbye", ["prompt goodbye", "text Yes.", "summary"]),
    ],
)
def test_each_kind_of_turn_has_its_blocks(
    captured: Captured, word: str, expected: list[str]
) -> None:
    blocks = turn(captured.live(), captured.prompts[word])
    said = [f"{b.kind} {getattr(b, 'state', text_of(b))}".removesuffix(" ") for b in blocks]
    assert said == expected


def test_interrupted_answer_keeps_its_text(captured: Captured) -> None:
    prompt, answer, notice, summary = turn(captured.live(), captured.prompts["cut"])
    assert isinstance(answer, TextBlock)
    assert text_of(answer).startswith("word0 word1 ")
    assert WORDS.startswith(text_of(answer))
    assert text_of(notice) == "Request interrupted by user."
    assert isinstance(summary, SummaryBlock)


def test_slash_command_precedes_its_output(captured: Captured) -> None:
    command, output, _ = turn(captured.live(), captured.prompts["/cost"])
    assert text_of(command) == "/usage"
    assert "Total duration" in text_of(output)


def test_a_tool_has_its_call_and_its_result(captured: Captured) -> None:
    tool = turn(captured.live(), captured.prompts["make"])[2]
    assert isinstance(tool, ToolBlock)
    assert (tool.name, tool.output) == ("Bash", "made")
    assert tool.input["command"].startswith("echo made")
    edit = turn(captured.live(), captured.prompts["edit"])[2]
    assert isinstance(edit, ToolBlock)
    assert edit.details["structuredPatch"][0]["lines"] == [
        " roses",
        "-violets",
        "+tulips",
        " sugar",
    ]


def test_subagent_blocks_are_children_of_the_calling_tool(captured: Captured) -> None:
    for word in ("delegate", "hand"):
        task = turn(captured.live(), captured.prompts[word])[1]
        assert isinstance(task, ToolBlock)
        tool = next(child for child in task.children if isinstance(child, ToolBlock))
        ask = next(child for child in task.children if isinstance(child, AskBlock))
        assert tool.input == {"command": "touch sub.txt"}
        assert (tool.state, ask.state) == (ToolState.DONE, AskState.ALLOWED)
        assert {child.parent for child in task.children} == {task.id}


def test_background_subagent_request_stays_open_after_the_turn(
    captured: Captured,
) -> None:
    """Claude waits for the answer without limit, and the page must say so."""
    transcript = Transcript("1", run_id=RUN_ID)
    prompt_id = captured.prompts["hand"]
    for end, data in with_ends(captured.stdout):
        transcript.feed(parser.parse(data), end)
        newest = transcript.blocks[-1] if transcript.blocks else None
        if isinstance(newest, SummaryBlock) and transcript.get(prompt_id):
            break
    task = turn(transcript, prompt_id)[1]
    ask = next(child for child in task.children if isinstance(child, AskBlock))
    tool = next(child for child in task.children if isinstance(child, ToolBlock))
    assert (ask.state, tool.state) == (AskState.OPEN, ToolState.WAITING)


def test_cost_of_a_turn_is_the_increase_of_the_session_cost(captured: Captured) -> None:
    summaries = [b for b in captured.live().blocks if isinstance(b, SummaryBlock)]
    total = 0.0
    for summary in summaries:
        assert summary.cost_usd is not None
        total += summary.cost_usd
        assert summary.total_cost_usd == pytest.approx(total)
    assert total > 0
    unknown = Transcript("1", run_id=RUN_ID, cost_before=None)
    for end, data in with_ends(captured.stdout):
        unknown.feed(parser.parse(data), end)
    first = next(b for b in unknown.blocks if isinstance(b, SummaryBlock))
    assert first.cost_usd is None


def test_no_line_of_the_real_cli_is_unknown(captured: Captured) -> None:
    for transcript in (captured.live(), captured.past()):
        assert not [text_of(b) for b in nested(transcript.blocks) if isinstance(b, RawBlock)]


def test_every_block_has_an_id_of_its_own(captured: Captured) -> None:
    for transcript in (captured.live(), captured.past()):
        ids = [block.id for block in nested(transcript.blocks)]
        assert len(ids) == len(set(ids))
        assert [transcript.get(block_id) for block_id in ids] == list(nested(transcript.blocks))
