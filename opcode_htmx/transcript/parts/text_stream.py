"""Texts and thoughts of the assistant: streamed pieces, and the complete text that follows.

A text becomes a block with its first word: stdout omits texts without words.
"""

from __future__ import annotations

from collections.abc import Iterator

from opcode_htmx.engines.contents import Content, TextContent, ThinkingContent
from opcode_htmx.engines.messages import Assistant, BlockDelta, BlockStart, BlockStop, MessageStart
from opcode_htmx.engines.streamed_text import (
    StreamedText,
    StreamedTexts,
    TextKind,
    kind_and_text,
    update_to,
)
from opcode_htmx.markup.growing.incremental_markdown import IncrementalMarkdown
from opcode_htmx.transcript.block_store import BlockStore
from opcode_htmx.transcript.blocks import TextBlock, ThinkingBlock

BLOCKS: dict[TextKind, type[TextBlock]] = {TextContent: TextBlock, ThinkingContent: ThinkingBlock}


class TextStream:
    """The texts of one transcript."""

    def __init__(self, store: BlockStore) -> None:
        self._store = store
        self._texts = StreamedTexts()
        self._content_counts: dict[str, int] = {}
        """The number of complete content blocks so far, by message id."""

    # --- streamed pieces --------------------------------------------------------------------

    def begin_message(self, message: MessageStart) -> None:
        self._texts.begin_message(message)

    def begin(self, message: BlockStart) -> None:
        """Begin a content block; kinds other than text arrive with the complete message."""
        if _id(*self._texts.key(message)) not in self._store:
            self._append(self._texts.begin(message))

    def append(self, message: BlockDelta) -> None:
        self._append(self._texts.append(message))

    def end(self, message: BlockStop) -> None:
        """End the pieces. The complete text may come before or after; for an empty text, never."""
        text = self._texts.get(message)
        if text and (text.complete or self._block(text) is None):
            self._texts.remove(text)

    def interrupt(self) -> None:
        """Close all texts that are streaming."""
        for text in self._texts.all():
            if block := self._block(text):
                self._close(block)
        self._texts.clear()

    def _close(self, block: TextBlock) -> None:
        block.open = False
        if block.markdown.end(self._store.offset):
            self._store.mark_changed(block)

    def _block(self, text: StreamedText) -> TextBlock | None:
        block = self._store.get(_id(text.message_id, text.index))
        return block if isinstance(block, TextBlock) else None

    def _append(self, text: StreamedText | None) -> None:
        if text is None:
            return
        block = self._block(text)
        if block is None and text.waiting.strip():
            block_id = _id(text.message_id, text.index)
            block = self._store.new(BLOCKS[text.kind], block_id, text.parent)
            block.markdown.is_growing = True
        if block is not None and (update := text.take()):
            self._append_to_block(block, update.text)

    def _append_to_block(self, block: TextBlock, text: str) -> None:
        if text:
            block.source.append(text)
            block.markdown.append(text, self._store.offset)
            self._store.mark_changed(block)

    # --- complete texts ---------------------------------------------------------------------

    def contents(self, message: Assistant) -> Iterator[tuple[str, Content]]:
        """The content blocks of a message, each with its id."""
        for number, content in enumerate(message.content):
            # stdout omits texts without words, but history counts them
            count = self._content_counts.get(message.message_id, 0)
            index = count if message.index is None else message.index + number
            self._content_counts[message.message_id] = index + 1
            yield _id(message.message_id, index), content

    def complete(self, message: Assistant, block_id: str, content: Content) -> None:
        """Add a complete text, or complete the block of a streamed one."""
        kind, text = kind_and_text(content)
        if kind is None:
            return
        streamed = self._texts.finish(kind, message.message_id, text)
        if streamed is not None:
            block_id = _id(streamed.message_id, streamed.index)
        known = self._store.get(block_id)
        if isinstance(known, BLOCKS[kind]):
            known.line_uuid = known.line_uuid or message.uuid
            self._correct(known, text)
        elif text.strip():
            self.add_complete(BLOCKS[kind], block_id, message.parent, text)

    def add_complete(
        self, type_: type[TextBlock], block_id: str, parent: str | None, text: str
    ) -> None:
        """Add a text that was not streamed."""
        self._append_to_block(self._store.new(type_, block_id, parent, open=False), text)

    def _correct(self, block: TextBlock, text: str) -> None:
        """Make a block hold `text`: the complete text takes precedence over its pieces."""
        update = update_to(text, "".join(block.source))
        if update.replaces and text:
            # A new creation revision, so that viewers get the whole block
            block.source, block.markdown, block.created = (
                [],
                IncrementalMarkdown(),
                self._store.offset,
            )
        self._append_to_block(block, update.text)
        self._close(block)


def _id(message_id: str, index: int) -> str:
    return f"{message_id}-{index}"
