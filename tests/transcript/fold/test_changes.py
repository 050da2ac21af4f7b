"""Folding goes on from any line, and the changes since a revision are exact."""

from __future__ import annotations

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import Captured, fold, line, with_ends
from tests.transcript.fold.lines import RUN_ID, assistant, feed, look, state


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
