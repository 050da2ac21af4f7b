"""Build the blocks of Claude's text and thinking, from streamed pieces and complete messages.

A text becomes a block with its first word: stdout does not repeat texts without words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opcode_htmx.engines.messages import (
    Assistant,
    BlockDelta,
    BlockStart,
    BlockStop,
    Content,
    MessageStart,
    TextContent,
    ThinkingContent,
)
from opcode_htmx.markup.incremental_markdown import IncrementalMarkdown
from opcode_htmx.transcript.block_store import BlockStore
from opcode_htmx.transcript.blocks import TextBlock, ThinkingBlock


@dataclass(slots=True)
class _Stream:
    """A text that arrives in pieces; `pending` holds those before its first word."""

    type: type[TextBlock]
    block_id: str
    parent: str | None
    pending: str = ""
    block: TextBlock | None = None
    complete: bool = False


class TextStream:
    """The texts of one transcript."""

    def __init__(self, store: BlockStore) -> None:
        self._store = store
        self._message_ids: dict[str | None, str] = {}
        """The message that is streaming, by parent."""
        self._streams: dict[tuple[str, int], _Stream] = {}
        self._content_counts: dict[str, int] = {}
        """The number of complete content blocks so far, by message id."""

    # --- streamed pieces --------------------------------------------------------------------

    def begin_message(self, message: MessageStart) -> None:
        self._message_ids[message.parent] = message.message_id

    def begin(self, message: BlockStart) -> None:
        """Begin a content block; kinds other than text arrive with the complete message."""
        type_, text = _text_of(message.content)
        key = self._key(message)
        block_id = f"{key[0]}-{key[1]}"
        if type_ and block_id not in self._store:
            self._streams[key] = stream = _Stream(type_, block_id, message.parent)
            self._append(stream, text)

    def append(self, message: BlockDelta) -> None:
        stream = self._streams.get(self._key(message))
        if stream and not stream.complete:
            self._append(stream, message.text)

    def end(self, message: BlockStop) -> None:
        """End the pieces. The complete text may come before or after; for an empty text, never."""
        key = self._key(message)
        stream = self._streams.get(key)
        if stream and (stream.complete or stream.block is None):
            del self._streams[key]

    def interrupt(self) -> None:
        """Close all texts that are streaming."""
        for stream in self._streams.values():
            if stream.block is not None:
                stream.block.open = False
        self._streams.clear()

    def _key(self, message: BlockStart | BlockDelta | BlockStop) -> tuple[str, int]:
        message_id = message.message_id or self._message_ids.get(message.parent, "")
        return message_id, message.index

    def _append(self, stream: _Stream, text: str) -> None:
        stream.pending += text
        if stream.block is None and stream.pending.strip():
            stream.block = self._store.new(stream.type, stream.block_id, stream.parent)
        if stream.block is not None:
            self._append_to_block(stream.block, stream.pending)
            stream.pending = ""

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
            yield f"{message.message_id}-{index}", content

    def complete(self, message: Assistant, block_id: str, content: Content) -> None:
        """Add a complete text, or complete the block of a streamed one."""
        type_, text = _text_of(content)
        if type_ is None:
            return
        stream = self._next_incomplete(type_, message.message_id)
        if stream is not None:
            stream.complete = True
            block_id = stream.block_id
        known = self._store.get(block_id)
        if isinstance(known, type_):
            known.line_uuid = known.line_uuid or message.uuid
            self._correct(known, text)
        elif text.strip():
            self.add_complete(type_, block_id, message.parent, text)

    def add_complete(
        self, type_: type[TextBlock], block_id: str, parent: str | None, text: str
    ) -> None:
        """Add a text that was not streamed."""
        self._append_to_block(self._store.new(type_, block_id, parent, open=False), text)

    def _correct(self, block: TextBlock, text: str) -> None:
        """Make a block hold `text`: the complete text takes precedence over its pieces."""
        streamed = "".join(block.source)
        if text.startswith(streamed):
            self._append_to_block(block, text[len(streamed) :])
        elif text:
            # A new creation revision, so that viewers get the whole block
            block.created = self._store.offset
            block.source, block.markdown = [], IncrementalMarkdown()
            self._append_to_block(block, text)
        block.open = False

    def _next_incomplete(self, type_: type[TextBlock], message_id: str) -> _Stream | None:
        """The oldest stream of this type that has not got its complete text."""
        for (owner, _), stream in self._streams.items():
            if owner == message_id and stream.type is type_ and not stream.complete:
                return stream
        return None


def _text_of(content: Content) -> tuple[type[TextBlock] | None, str]:
    match content:
        case TextContent(text=text):
            return TextBlock, text
        case ThinkingContent(text=text):
            return ThinkingBlock, text
        case _:
            return None, ""
