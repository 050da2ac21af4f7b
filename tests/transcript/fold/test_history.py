"""A session of the real CLI: its history has the blocks that were seen live."""

from __future__ import annotations

import re

from opcode_htmx.transcript.blocks import AskBlock, SummaryBlock, TextBlock, ToolBlock
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import Captured, fold, fragments
from tests.transcript.fold.lines import look, text_of
from tests.transcript.fold.test_real_session import turn


def test_history_folds_into_the_blocks_that_were_seen_live(captured: Captured) -> None:
    """Live alone: the asks, the sums of the turns, and what subagents did."""
    live, past = captured.live(), captured.past()
    lasting = [b for b in live.blocks if not isinstance(b, AskBlock | SummaryBlock)]
    assert {b.kind for b in lasting} == {"prompt", "text", "thinking", "tool", "error", "notice"}
    for block in lasting:
        block.children.clear()
    assert list(map(look, past.blocks)) == list(map(look, lasting))
    render = fragments()
    # The card of a question or a plan already shows all of it; what was allowed is known live only
    without_order = re.compile(
        r' data-order="[0-9.]+"| hidden(?=>)'
        r'|<span class="tool-outcome">· allowed</span> |<p class="verdict"[^>]*>Allowed[^<]*</p>'
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
