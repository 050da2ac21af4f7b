"""Prompts, commands, notices and errors, and lines that nobody knows."""

from __future__ import annotations

import pytest

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.transcript.blocks import (
    Block,
    ErrorBlock,
    NoticeBlock,
    PromptBlock,
    RawBlock,
    SummaryBlock,
)
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import line, with_ends
from tests.transcript.fold.lines import RESULT, RUN_ID, assistant, feed, look, only, text_of, user


def test_repeated_prompt_appears_once() -> None:
    assert text_of(only(feed(user("one"), user("one again")))) == "one"


def test_a_prompt_may_be_nothing_but_images() -> None:
    image = {"type": "image", "source": {"media_type": "image/png", "data": "QQ=="}}
    block = only(feed(user([image, image])), PromptBlock)
    assert isinstance(block, PromptBlock)
    assert (block.text, len(block.images)) == ("", 2)


@pytest.mark.parametrize(
    "lines",
    [
        [user("a reminder", isMeta=True)],
        [user("a summary", isCompactSummary=True)],
        [user("a summary", isSynthetic=True)],
        [user("to a subagent", parent_tool_use_id="t")],
        [user("<task-notification>\n<task-id>a</task-id>\n</task-notification>")],
        [user("<local-command-stdout></local-command-stdout>")],
        [user("")],
    ],
)
def test_synthetic_user_lines_yield_no_prompt(lines: list[bytes]) -> None:
    assert feed(*lines).blocks == []


def test_a_prompt_that_speaks_of_an_interruption_is_a_prompt() -> None:
    assert only(feed(user("[Request interrupted by user] is what I saw."))).kind == "prompt"
    assert only(feed(user("[Request interrupted by user]"))).kind == "notice"


def test_repeated_interruption_appears_once() -> None:
    interruption = user("[Request interrupted by user]")
    assert isinstance(only(feed(interruption, interruption)), NoticeBlock)


def test_repeated_command_output_appears_once() -> None:
    """After a compaction the CLI repeats it under another message id."""
    output = "<local-command-stdout>$1</local-command-stdout>"

    def output_of(message_id: str) -> bytes:
        content = {"type": "text", "text": "$1"}
        return assistant(content, message_id=message_id, local_command_source=output)

    block = only(feed(output_of("msg_1"), output_of("msg_2")))
    assert (block.id, text_of(block)) == ("u", "$1")


def test_command_output_of_one_line_is_a_notice_and_longer_output_a_text() -> None:
    def said(words: str) -> Block:
        output = f"<local-command-stdout>{words}</local-command-stdout>"
        live = line(type="assistant", uuid="u", message={}, local_command_source=output)
        past = line(type="system", subtype="local_command", uuid="u", content=output)
        shown = only(feed(live)), only(feed(past, run_id=None))
        assert look(shown[0]) == look(shown[1])
        return shown[0]

    assert said("Set model to `Opus`").kind == "notice"
    assert said("## Costs\n\n- $1").kind == "text"


def test_command_precedes_the_output_of_its_turn() -> None:
    command = user("<command-name>/clear</command-name>", uuid="c")
    reset = line(type="conversation_reset", uuid="reset")
    transcript = feed(user("hello"), RESULT, reset, command)
    assert [b.id for b in transcript.blocks] == ["p", "result", "c", "reset"]
    assert [b.id for b in transcript.changed_since(0)] == ["p", "result", "c", "reset"]
    # but not in front of another prompt of the same turn
    both = feed(user("hello"), assistant({"type": "text", "text": "a"}), command)
    assert [b.kind for b in both.blocks] == ["prompt", "text", "prompt"]


def test_prompt_precedes_its_retries() -> None:
    """The CLI echoes the first prompt of a run only once the API has taken it."""
    hook = line(type="system", subtype="hook_response", uuid="hook", output="Good morning")
    tries = [line(type="system", subtype="api_retry", uuid=f"r{n}", attempt=n) for n in (1, 2)]
    transcript = feed(hook, *tries, user("hello"))
    assert [b.id for b in transcript.blocks] == ["hook", "p", "r1"]
    assert [b.id for b in transcript.changed_since(0)] == ["hook", "p", "r1"]


def test_unknown_line_on_stdout_is_shown_as_raw_block() -> None:
    block = only(feed(line(type="next", a={"b": "ä"})), RawBlock)
    assert isinstance(block, RawBlock)
    assert (block.type, block.text) == (
        "next",
        '{\n  "type": "next",\n  "a": {\n    "b": "ä"\n  }\n}',
    )
    assert only(feed(b"Warning: no JSON\n"), RawBlock).kind == "raw"


def test_the_clis_bookkeeping_in_history_is_not_shown() -> None:
    lines = [line(type="last-prompt", uuid="u"), line(type="api-request"), b"half a li"]
    assert feed(*lines, run_id=None).blocks == []
    assert len(feed(*lines).blocks) == 3


def test_unknown_content_is_shown_raw_and_redacted_thoughts_are_omitted() -> None:
    block = only(feed(assistant({"type": "redacted_thinking"}, {"type": "server_tool_use"})))
    assert (block.id, block.kind) == ("msg_1-1", "raw")


def test_an_unknown_system_line_is_a_notice() -> None:
    block = only(feed(line(type="system", subtype="of_next_year", uuid="u")), NoticeBlock)
    assert (block.id, text_of(block)) == ("u", "of next year")


def test_generated_block_ids_are_unique_across_transcripts() -> None:
    """Both stand on one page."""
    nameless = [b"no JSON\n", line(type="system", subtype="next"), line(type="next")]
    ids = set()
    for segment in ("1", "3"):
        transcript = Transcript(segment, run_id=RUN_ID)
        for end_, data in with_ends(tuple(nameless)):
            transcript.feed(parser.parse(data), end_)
        ids |= {block.id for block in transcript.blocks}
    assert len(ids) == 6


def test_repeated_uuids_yield_unique_block_ids() -> None:
    same = [line(type="system", subtype="a_thing", uuid="u"), RESULT, RESULT]
    ids = [block.id for block in feed(*same).blocks]
    assert len(ids) == len(set(ids)) == 3


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("", ["error", "summary"]),
        ("aborted_tools", ["summary"]),
        ("aborted_streaming", ["summary"]),
    ],
)
def test_a_turn_that_failed_says_so_unless_a_person_ended_it(
    reason: str, expected: list[str]
) -> None:
    result = line(type="result", subtype="error_max_turns", is_error=True, terminal_reason=reason)
    transcript = feed(result)
    assert [block.kind for block in transcript.blocks] == expected
    if expected[0] == "error":
        text = text_of(transcript.blocks[0])
        assert text == "The turn ended with an error: error_max_turns."


def test_api_error_is_shown_once() -> None:
    error = assistant({"type": "text", "text": "API Error"}, error="unknown")
    result = line(type="result", is_error=True, result="API Error", uuid="u2")
    transcript = feed(error, result)
    assert [type(block) for block in transcript.blocks] == [ErrorBlock, SummaryBlock]
