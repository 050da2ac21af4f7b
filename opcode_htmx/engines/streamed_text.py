"""Match the pieces in which a text is streamed with the whole text that follows them.

Claude sends each text twice. The whole is the authority: it goes on where the pieces stop, or, if
it contradicts them, takes their place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from opcode_htmx.engines.contents import Content, TextContent, ThinkingContent
from opcode_htmx.engines.messages import BlockDelta, BlockStart, BlockStop, MessageStart
from opcode_htmx.lib.dataclass import dataclass

TextKind = type[TextContent] | type[ThinkingContent]


@dataclass(frozen=True, slots=True)
class Update:
    """What is to be added to a text, or, if it `replaces`, to stand in its place."""

    text: str
    replaces: bool = False


def update_to(whole: str, before: str) -> Update:
    """What makes `before`, which may be a part of it, the whole text."""
    if whole.startswith(before):
        return Update(whole[len(before) :])
    return Update(whole, replaces=True)


@dataclass(slots=True)
class StreamedText:
    """A text, and how much of it has been taken. `parent` is the tool call of the agent's."""

    kind: TextKind
    message_id: str
    index: int
    """Of its content block in the message."""
    parent: str | None
    complete: bool = False
    _taken: list[str] = field(default_factory=list)
    _waiting: list[str] = field(default_factory=list)
    _replaces: bool = False

    @property
    def waiting(self) -> str:
        """What has come and was not taken."""
        return "".join(self._waiting)

    def append(self, piece: str) -> None:
        self._waiting.append(piece)

    def finish(self, whole: str) -> None:
        """The whole text has come."""
        update = update_to(whole, "".join(self._taken))
        self._waiting, self._replaces, self.complete = [update.text], update.replaces, True

    def take(self) -> Update | None:
        """What has come since the last call; None if there is nothing."""
        update = Update(self.waiting, self._replaces)
        if not update.text:
            return None
        if update.replaces:
            self._taken.clear()
        self._taken.append(update.text)
        self._waiting, self._replaces = [], False
        return update


class StreamedTexts:
    """The texts that are being streamed, by message and content block."""

    def __init__(self) -> None:
        self._message_ids: dict[str | None, str] = {}
        """The message that streams, by its parent."""
        self._texts: dict[tuple[str, int], StreamedText] = {}

    def begin_message(self, message: MessageStart) -> None:
        self._message_ids[message.parent] = message.message_id

    def begin(self, message: BlockStart) -> StreamedText | None:
        """A content block begins; None if it is no text: other kinds come whole."""
        kind, text = kind_and_text(message.content)
        if kind is None:
            return None
        key = self.key(message)
        begun = self._texts[key] = StreamedText(kind, *key, message.parent)
        begun.append(text)
        return begun

    def append(self, message: BlockDelta) -> StreamedText | None:
        """A piece has come; None if it belongs to no text, or to one whose whole has come."""
        text = self.get(message)
        if text is None or text.complete:
            return None
        text.append(message.text)
        return text

    def finish(self, kind: TextKind, message_id: str, whole: str) -> StreamedText | None:
        """A whole text has come, which belongs to the oldest that waits for one; None if none."""
        for text in self.unfinished():
            if text.message_id == message_id and text.kind is kind:
                text.finish(whole)
                return text
        return None

    def get(self, message: BlockStart | BlockDelta | BlockStop) -> StreamedText | None:
        return self._texts.get(self.key(message))

    def key(self, message: BlockStart | BlockDelta | BlockStop) -> tuple[str, int]:
        """The id of the message and the index of the content block that it is about."""
        known = message.message_id or self._message_ids.get(message.parent, "")
        return known, message.index

    def all(self) -> Iterator[StreamedText]:
        """Oldest first."""
        return iter(list(self._texts.values()))

    def unfinished(self) -> Iterator[StreamedText]:
        """Those whose whole has not come, oldest first."""
        return (text for text in self.all() if not text.complete)

    def remove(self, text: StreamedText) -> None:
        del self._texts[text.message_id, text.index]

    def clear(self) -> None:
        """Nothing of what streams goes on."""
        self._texts.clear()


def kind_and_text(content: Content) -> tuple[TextKind | None, str]:
    """None for what is no text."""
    if isinstance(content, TextContent | ThinkingContent):
        return type(content), content.text
    return None, ""
