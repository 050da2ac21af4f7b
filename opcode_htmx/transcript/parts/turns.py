"""Track the turns of one transcript: where each begins, how it ends, and what it cost."""

from __future__ import annotations

from opcode_htmx.engines.messages import INTERRUPTED, Init, TurnResult
from opcode_htmx.transcript.block_store import BlockStore
from opcode_htmx.transcript.blocks import NoticeBlock, SummaryBlock
from opcode_htmx.transcript.parts.notice_blocks import NoticeBlocks


class Turns:
    """The turns of one transcript."""

    def __init__(
        self, store: BlockStore, notice_blocks: NoticeBlocks, cost_before: float | None
    ) -> None:
        """`cost_before` is the session's cost so far in US dollars, if known."""
        self._store = store
        self._notice_blocks = notice_blocks
        self._cost = cost_before
        self._session_id = ""
        self.start = 0
        """The index of the current turn's first block among those of the top level."""

    def begin(self, init: Init) -> None:
        """Begin a turn; after `/clear` it belongs to another session, which a notice names."""
        if self._session_id and init.session_id not in ("", self._session_id):
            self._store.new(
                NoticeBlock,
                f"moved-{init.session_id}",
                text="Claude files what comes from here on as",
                session_id=init.session_id,
            )
        self._session_id = init.session_id or self._session_id

    def finish(self, result: TurnResult) -> None:
        """Add the error of a failed turn, and its summary."""
        if result.is_error and result.reason not in INTERRUPTED:
            text = result.text or f"The turn ended with an error: {result.subtype}."
            self._notice_blocks.add_error_once(f"{result.uuid}-error", text)
        # Claude reports the cost of the whole session
        total, before = result.cost_usd, self._cost
        self._cost = total
        self._store.new(
            SummaryBlock,
            result.uuid,
            duration_ms=result.duration_ms,
            cost_usd=None if total is None or before is None else max(0.0, total - before),
            total_cost_usd=total,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
        )
        self.start = len(self._store.blocks)
