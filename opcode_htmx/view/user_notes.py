"""What a terminal, an editor or the CLI notes in a person's place, as blocks. No HTML."""

from __future__ import annotations

from ..claude.user_parts import (
    CommandOutput,
    EditorNote,
    HookNote,
    MemoryNote,
    ModelNote,
    OtherMessage,
    Part,
    ShellCommand,
    ShellOutput,
)
from .blocks import ErrorBlock, NoticeBlock, ShellBlock, TextBlock
from .shelf import Shelf
from .speech import Speech
from .terminal import plain
from .wording import told_in_a_line


class UserNotes:
    """Makes the blocks of one transcript; prompts and interruptions are not its concern."""

    def __init__(self, shelf: Shelf, speech: Speech) -> None:
        self._shelf = shelf
        self._speech = speech
        self._shell_lines: dict[str, ShellBlock] = {}
        """The terminal that a line belongs to, by the uuid of the line."""

    def has(self, uuid: str) -> bool:
        """Whether the line with this uuid was added to a block of another line's."""
        return uuid in self._shell_lines

    def add(self, part: Part, block_id: str, uuid: str = "", parent_uuid: str = "") -> None:
        """Add a block, or to a block.

        `uuid` is that of the line which the part is from, `parent_uuid` of the line before it.
        """
        match part:
            case ShellCommand(command=command):
                block = self._shelf.new(ShellBlock, block_id, command=command)
                self._shell_lines[uuid] = block
            case ShellOutput():
                self._shell_output(part, block_id, uuid, parent_uuid)
            case CommandOutput():
                self._command_output(part, block_id)
            case EditorNote(title=title, text=text):
                self._folded(block_id, title, text)
            case MemoryNote(text=text):
                self._folded(block_id, "Added to Claude's memory", text)
            case HookNote(event=event, text=text):
                self._folded(block_id, f"Hook {event}", text)
            case OtherMessage(sender=sender, text=text):
                self._folded(block_id, f"Message that you did not write, from: {sender}", text)
            case ModelNote(text=text, attached=True):
                self._folded(block_id, "Added for Claude to read", text)
            case _:
                pass

    def _command_output(self, output: CommandOutput, block_id: str) -> None:
        """What a slash command printed: a sentence, a text, or what looks like a terminal."""
        if output.is_error:
            self._shelf.new(ErrorBlock, block_id, text=plain(output.text))
        elif sentence := told_in_a_line(output.text):
            self._shelf.new(NoticeBlock, block_id, text=sentence)
        elif "\x1b" in output.text:
            self._shelf.new(ShellBlock, block_id, stdout=output.text)
        elif output.text:
            self._speech.say(TextBlock, block_id, None, output.text)

    def _shell_output(
        self, output: ShellOutput, block_id: str, uuid: str, parent_uuid: str
    ) -> None:
        """Added to its command: to what the line follows, or else to the newest block."""
        newest = self._shelf.blocks[-1] if self._shelf.blocks else None
        block = self._shell_lines.get(parent_uuid)
        if block is None and isinstance(newest, ShellBlock):
            block = newest
        if block is None:
            if not (output.stdout or output.stderr):
                return
            block = self._shelf.new(ShellBlock, block_id)
        block.stdout += output.stdout
        block.stderr += output.stderr
        self._shell_lines[uuid] = block
        self._shelf.touch(block)

    def _folded(self, block_id: str, title: str, text: str) -> None:
        if text:
            self._shelf.new(NoticeBlock, block_id, text=title, detail=text)
