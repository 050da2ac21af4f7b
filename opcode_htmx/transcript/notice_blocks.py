"""Notices and errors as blocks: each told once, and the newest in place of those before it."""

from __future__ import annotations

from opcode_htmx.transcript.block_store import BlockStore
from opcode_htmx.transcript.blocks import Block, ErrorBlock, NoticeBlock
from opcode_htmx.transcript.notices import RETRY, Notice, error_end


class NoticeBlocks:
    def __init__(self, shelf: BlockStore) -> None:
        self._shelf = shelf

    def notice(self, uuid: str, told: Notice) -> None:
        if told.id in self._shelf:
            return
        last = self._shelf.blocks[-1] if self._shelf.blocks else None
        if told.topic and isinstance(last, NoticeBlock) and last.topic == told.topic:
            last.text = told.text
            self._shelf.mark_changed(last)
            return
        block = self._shelf.new(NoticeBlock, told.id or uuid, text=told.text, topic=told.topic)
        block.detail, block.until = told.detail, told.until

    @staticmethod
    def is_retry(blocks: list[Block]) -> bool:
        """Whether the last of these tells of retries."""
        return bool(blocks) and isinstance(blocks[-1], NoticeBlock) and blocks[-1].topic == RETRY

    def error(self, block_id: str, text: str, parent: str | None = None) -> None:
        text, until = error_end(text)
        self._shelf.new(ErrorBlock, block_id, parent, text=text, until=until)

    def last_error(self, block_id: str, text: str) -> None:
        """An error, unless the last block has told it already."""
        last = self._shelf.blocks[-1] if self._shelf.blocks else None
        if not (isinstance(last, ErrorBlock) and last.text == error_end(text)[0]):
            self.error(block_id, text)
