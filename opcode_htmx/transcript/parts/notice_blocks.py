"""Add notices and errors as blocks: without repetitions, a newer one replacing an older one."""

from __future__ import annotations

from opcode_htmx.transcript.block_store import BlockStore
from opcode_htmx.transcript.blocks import Block, ErrorBlock, NoticeBlock
from opcode_htmx.transcript.parts.notices import RETRY, Notice, split_end_time


class NoticeBlocks:
    """Adds the notices and errors of one transcript."""

    def __init__(self, store: BlockStore) -> None:
        self._store = store

    def add(self, uuid: str, notice: Notice) -> None:
        """Add a notice, unless it is known; one of the last block's topic replaces its text."""
        if notice.id in self._store:
            return
        last = self._store.blocks[-1] if self._store.blocks else None
        if notice.topic and isinstance(last, NoticeBlock) and last.topic == notice.topic:
            last.text = notice.text
            self._store.mark_changed(last)
            return
        block = self._store.new(
            NoticeBlock, notice.id or uuid, text=notice.text, topic=notice.topic
        )
        block.detail, block.until = notice.detail, notice.until
        block.pull_request = notice.pull_request

    @staticmethod
    def is_retry(blocks: list[Block]) -> bool:
        """Whether the last of these blocks is a notice about retries."""
        return bool(blocks) and isinstance(blocks[-1], NoticeBlock) and blocks[-1].topic == RETRY

    def add_error(self, block_id: str, text: str, parent: str | None = None) -> None:
        """Add an error."""
        text, until = split_end_time(text)
        self._store.new(ErrorBlock, block_id, parent, text=text, until=until)

    def add_error_once(self, block_id: str, text: str) -> None:
        """Add an error, unless the last block is the same error."""
        last = self._store.blocks[-1] if self._store.blocks else None
        if not (isinstance(last, ErrorBlock) and last.text == split_end_time(text)[0]):
            self.add_error(block_id, text)
