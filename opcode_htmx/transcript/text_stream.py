"""What Claude says and thinks, from the pieces in which it arrives and from the whole that follows.

A text is no block before it says something: texts without words are left out of stdout.
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
    """A text that arrives in pieces; `held` is what has come before it says something."""

    type: type[TextBlock]
    block_id: str
    parent: str | None
    held: str = ""
    block: TextBlock | None = None
    complete: bool = False


class TextStream:
    def __init__(self, shelf: BlockStore) -> None:
        self._shelf = shelf
        self._message_ids: dict[str | None, str] = {}  # the message that streams, by parent
        self._streams: dict[tuple[str, int], _Stream] = {}
        self._counted: dict[str, int] = {}  # content blocks that came whole, by message id

    # --- in pieces --------------------------------------------------------------------------

    def begin_message(self, message: MessageStart) -> None:
        self._message_ids[message.parent] = message.message_id

    def begin(self, message: BlockStart) -> None:
        """A content block begins; other kinds than texts come whole, with the message."""
        type_, text = _text_of(message.content)
        key = self._key(message)
        block_id = f"{key[0]}-{key[1]}"
        if type_ and block_id not in self._shelf:
            self._streams[key] = stream = _Stream(type_, block_id, message.parent)
            self._flow(stream, text)

    def append(self, message: BlockDelta) -> None:
        stream = self._streams.get(self._key(message))
        if stream and not stream.complete:
            self._flow(stream, message.text)

    def end(self, message: BlockStop) -> None:
        """The whole text comes before the end of its pieces or after it; without text, never."""
        key = self._key(message)
        stream = self._streams.get(key)
        if stream and (stream.complete or stream.block is None):
            del self._streams[key]

    def cut_off(self) -> None:
        """What streams is not going on."""
        for stream in self._streams.values():
            if stream.block is not None:
                stream.block.open = False
        self._streams.clear()

    def _key(self, message: BlockStart | BlockDelta | BlockStop) -> tuple[str, int]:
        known = message.message_id or self._message_ids.get(message.parent, "")
        return known, message.index

    def _flow(self, stream: _Stream, text: str) -> None:
        stream.held += text
        if stream.block is None and stream.held.strip():
            stream.block = self._shelf.new(stream.type, stream.block_id, stream.parent)
        if stream.block is not None:
            self._grow(stream.block, stream.held)
            stream.held = ""

    def _grow(self, block: TextBlock, text: str) -> None:
        if text:
            block.source.append(text)
            block.markdown.append(text, self._shelf.offset)
            self._shelf.mark_changed(block)

    # --- whole ------------------------------------------------------------------------------

    def contents(self, message: Assistant) -> Iterator[tuple[str, Content]]:
        """The content blocks of a message, each with its id."""
        for place, content in enumerate(message.content):
            # Texts without words are left out of stdout, but counted by history
            counted = self._counted.get(message.message_id, 0)
            index = counted if message.index is None else message.index + place
            self._counted[message.message_id] = index + 1
            yield f"{message.message_id}-{index}", content

    def complete(self, message: Assistant, block_id: str, content: Content) -> None:
        """A text, whole; where it was streamed, it is there already."""
        type_, text = _text_of(content)
        if type_ is None:
            return
        stream = self._oldest(type_, message.message_id)
        if stream is not None:
            stream.complete = True
            block_id = stream.block_id
        known = self._shelf.get(block_id)
        if isinstance(known, type_):
            known.row = known.row or message.uuid
            self._correct(known, text)
        elif text.strip():
            self.add_complete(type_, block_id, message.parent, text)

    def add_complete(
        self, type_: type[TextBlock], block_id: str, parent: str | None, text: str
    ) -> None:
        """A text that comes whole and at once."""
        self._grow(self._shelf.new(type_, block_id, parent, open=False), text)

    def _correct(self, block: TextBlock, text: str) -> None:
        """The whole is the authority over its pieces."""
        streamed = "".join(block.source)
        if text.startswith(streamed):
            self._grow(block, text[len(streamed) :])
        elif text:
            # born again, it is sent whole
            block.source, block.markdown, block.born = [], IncrementalMarkdown(), self._shelf.offset
            self._grow(block, text)
        block.open = False

    def _oldest(self, type_: type[TextBlock], message_id: str) -> _Stream | None:
        """The text that the next whole one of this type belongs to."""
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
