"""Lines folded into blocks: those of the real CLI, and those that it prints only now and then."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.transcript.blocks import (
    AskBlock,
    AskState,
    Block,
    ErrorBlock,
    NoticeBlock,
    PromptBlock,
    RawBlock,
    SummaryBlock,
    TextBlock,
    ToolBlock,
    ToolState,
)
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import (
    ANSWER,
    WORDS,
    Captured,
    capture,
    fold,
    fragments,
    line,
    with_ends,
)

RUN_ID = "r" * 32


@pytest.fixture(scope="session")
def captured(claude: Path) -> Captured:
    return capture(claude)


def text_of(block: Block) -> str:
    return "".join(block.source) if isinstance(block, TextBlock) else getattr(block, "text", "")


def nested(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        yield from nested(block.children)


def turn(transcript: Transcript, prompt_id: str) -> list[Block]:
    """The blocks from one prompt to the next."""
    blocks = transcript.blocks
    start = next(i for i, block in enumerate(blocks) if block.id == prompt_id)
    after = (i for i, b in enumerate(blocks) if i > start and isinstance(b, PromptBlock))
    return blocks[start : next(after, len(blocks))]


def look(block: Block) -> tuple[object, ...]:
    """The visible fields of a block, without those that depend on its place in the file."""
    fields = ("state", "name", "input", "output", "details", "answer", "images", "type")
    values = tuple(repr(getattr(block, field, None)) for field in fields)
    return block.id, block.kind, text_of(block), values, tuple(map(look, block.children))


# --- a session of the real CLI --------------------------------------------------------------


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


# --- history --------------------------------------------------------------------------------


def test_history_folds_into_the_blocks_that_were_seen_live(captured: Captured) -> None:
    """Live alone: the asks, the sums of the turns, and what subagents did."""
    live, past = captured.live(), captured.past()
    lasting = [b for b in live.blocks if not isinstance(b, AskBlock | SummaryBlock)]
    assert {b.kind for b in lasting} == {"prompt", "text", "thinking", "tool", "error", "notice"}
    for block in lasting:
        block.children.clear()
    assert list(map(look, past.blocks)) == list(map(look, lasting))
    render = fragments()
    # The card of a question or a plan already shows all of it; decisions are known live only
    without_order = re.compile(
        r' data-order="[0-9.]+"| hidden(?=>)'
        r'|<span class="tool-outcome">· allowed</span> |<p class="verdict">[^<]*</p>'
    )
    assert [without_order.sub("", render.block(block)) for block in past.blocks] == [
        without_order.sub("", render.block(block)) for block in lasting
    ]


def test_subagent_work_renders_the_same_from_history_and_live(captured: Captured) -> None:
    """Live alone: what they asked."""

    def seen(transcript: Transcript, word: str) -> tuple[object, ...]:
        task = turn(transcript, captured.prompts[word])[1]
        assert isinstance(task, ToolBlock)
        task.children[:] = [each for each in task.children if not isinstance(each, AskBlock)]
        texts = [text_of(each) for each in task.children if isinstance(each, TextBlock)]
        assert texts == ["I am the agent.", "Ready."]
        return task.is_finished, look(task)

    for word in ("delegate", "hand"):
        assert seen(captured.past_with_agents(), word) == seen(captured.live(), word)


def test_history_in_two_parts_has_the_blocks_of_both(captured: Captured) -> None:
    cut = next(
        number
        for number, data in enumerate(captured.history)
        if captured.prompts["edit"].encode() in data
    )
    first = fold(captured.history[:cut], run_id=None)
    second = fold(captured.history[cut:], run_id=None)
    whole = [look(block) for block in captured.past().blocks]
    assert list(map(look, first.blocks + second.blocks)) == whole


# --- folding --------------------------------------------------------------------------------


def state(transcript: Transcript) -> list[object]:
    return [
        (look(block), block.order, block.created, block.revision)
        for block in nested(transcript.blocks)
    ]


def test_folding_a_and_then_b_is_folding_both(captured: Captured) -> None:
    """A transcript that is read again from the start is the one that was followed."""
    followed = Transcript("1", run_id=RUN_ID, cost_before=0.0)
    for number, (end, data) in enumerate(with_ends(captured.stdout), start=1):
        followed.feed(parser.parse(data), end)
        if number % 25 == 0:
            assert state(followed) == state(fold(captured.stdout[:number], run_id=RUN_ID))


def test_changes_since_a_revision_are_exact(captured: Captured) -> None:
    lines = with_ends(captured.stdout)
    seen: dict[int, dict[str, tuple[object, ...]]] = {0: {}}
    transcript = Transcript("1", run_id=RUN_ID, cost_before=0.0)
    for end, data in lines:
        transcript.feed(parser.parse(data), end)
        seen[end] = {block.id: _alone(block) for block in transcript}
    for revision, before in seen.items():
        changed = [block.id for block in transcript.changed_since(revision)]
        assert len(changed) == len(set(changed))
        differs = {b.id for b in transcript if before.get(b.id) != _alone(b)}
        assert differs <= set(changed)
        # a block may have changed and changed back, but never without a line behind the revision
        assert all(block.revision > revision for block in transcript.changed_since(revision))


def _alone(block: Block) -> tuple[object, ...]:
    return look(block)[:4]


def test_changes_are_in_page_order(captured: Captured) -> None:
    live = captured.live()
    order = [block.id for block in live.blocks]
    changed = [block.id for block in live.changed_since(0) if block.parent is None]
    assert changed == order


def test_line_with_two_blocks_yields_them_in_order() -> None:
    transcript = feed(
        assistant({"type": "text", "text": "a"}, {"type": "text", "text": "b"}),
        line(type="result", subtype="x", is_error=True, uuid="u"),
    )
    assert [block.kind for block in transcript.changed_since(0)] == [
        "text",
        "text",
        "error",
        "summary",
    ]


# --- lines made by hand ---------------------------------------------------------------------


def feed(*lines: bytes, run_id: str | None = RUN_ID) -> Transcript:
    return fold(lines, run_id=run_id)


def assistant(*content: object, message_id: str = "msg_1", **fields: object) -> bytes:
    message = {"id": message_id, "role": "assistant", "content": content}
    return line(type="assistant", uuid="u", message=message, **fields)


def user(content: object, uuid: str = "p", **fields: object) -> bytes:
    return line(type="user", uuid=uuid, message={"role": "user", "content": content}, **fields)


def event(message_id: str = "msg_1", **event: object) -> bytes:
    return line(type="stream_event", event=event, api_message_id=message_id)


def begin(index: int, type_: str = "text", message_id: str = "msg_1") -> bytes:
    block = {"type": type_, "text": "", "thinking": ""}
    return event(message_id, type="content_block_start", index=index, content_block=block)


def piece(index: int, text: str, message_id: str = "msg_1") -> bytes:
    return event(message_id, type="content_block_delta", index=index, delta={"text": text})


def end(index: int, message_id: str = "msg_1") -> bytes:
    return event(message_id, type="content_block_stop", index=index)


def call(
    tool_id: str = "t", name: str = "Bash", message_id: str = "msg_1", **fields: object
) -> bytes:
    use = {"type": "tool_use", "id": tool_id, "name": name, "input": {"command": "ls"}}
    return assistant(use, message_id=message_id, **fields)


def outcome(tool_id: str = "t", *, is_error: bool = False, **fields: object) -> bytes:
    result = {
        "type": "tool_result",
        "tool_use_id": tool_id,
        "content": "listed",
        "is_error": is_error,
    }
    return user([result], uuid=f"u-{tool_id}", **fields)


def ask(request_id: str = "r", tool_id: str = "t") -> bytes:
    request = {
        "subtype": "can_use_tool",
        "tool_name": "Bash",
        "input": {"command": "ls"},
        "tool_use_id": tool_id,
    }
    return line(type="control_request", request_id=request_id, request=request)


RESULT = line(type="result", subtype="success", uuid="result")


def only(transcript: Transcript, type_: type[Block] = Block) -> Block:
    (block,) = transcript.blocks
    assert isinstance(block, type_)
    return block


def states(transcript: Transcript) -> list[str]:
    blocks = nested(transcript.blocks)
    return [str(b.state) for b in blocks if isinstance(b, AskBlock | ToolBlock)]


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


def test_tool_result_in_a_synthetic_line_is_used() -> None:
    assert states(feed(call(), outcome(isMeta=True))) == ["done"]


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


def test_child_of_an_unknown_tool_is_a_top_level_block() -> None:
    transcript = feed(user("hello"), call(parent_tool_use_id="p"))
    assert [block.kind for block in transcript.blocks] == ["prompt", "tool"]


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


def test_the_end_of_a_turn_looks_at_open_blocks_only() -> None:
    """A session of a thousand turns does not cost a million looks."""
    transcript = feed(*(call(f"t{n}", message_id=f"m{n}") for n in range(3)), outcome("t1"))
    assert set(transcript._store.unfinished) == {"t0", "t2"}
    transcript.feed(parser.parse(RESULT), transcript.offset + 1)
    assert not transcript._store.unfinished
