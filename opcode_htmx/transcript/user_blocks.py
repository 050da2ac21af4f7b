"""A person's prompts, and what terminals, editors and the CLI note beside them, as blocks."""

from __future__ import annotations

from collections.abc import Sequence

from opcode_htmx.engines.messages import (
    Content,
    ImageContent,
    SystemEvent,
    TextContent,
    ToolResult,
    User,
)
from opcode_htmx.engines.user_parts import (
    CommandOutput,
    EditorNote,
    HookNote,
    Interruption,
    MemoryNote,
    ModelNote,
    OtherMessage,
    Part,
    Prompt,
    ShellCommand,
    ShellOutput,
    SlashCommand,
)
from opcode_htmx.markup.ansi import plain
from opcode_htmx.transcript.block_store import BlockStore
from opcode_htmx.transcript.blocks import (
    ErrorBlock,
    NoticeBlock,
    PromptBlock,
    ShellBlock,
    TextBlock,
)
from opcode_htmx.transcript.cli_text import shown_in_a_line
from opcode_htmx.transcript.notice_blocks import NoticeBlocks
from opcode_htmx.transcript.text_stream import TextStream

_NOT_ATTACHED = TextContent | ToolResult


class UserBlocks:
    """Makes the blocks of one transcript."""

    def __init__(self, shelf: BlockStore, speech: TextStream, notes: NoticeBlocks) -> None:
        self._shelf = shelf
        self._speech = speech
        self._notes = notes
        self._shell_lines: dict[str, ShellBlock] = {}
        """The terminal that a line belongs to, by the uuid of the line."""

    def has(self, uuid: str) -> bool:
        """Whether the line with this uuid was added already: a file may hold it twice."""
        if not uuid:
            return False
        return uuid in self._shelf or f"{uuid}-0" in self._shelf or uuid in self._shell_lines

    def add_all(self, message: User, parts: Sequence[Part], turn_began: int) -> None:
        """Add the parts of a `user` line; the blocks of its turn begin at `turn_began`."""
        attached = [each for each in message.content if not isinstance(each, _NOT_ATTACHED)]
        has_words = any(isinstance(part, Prompt | SlashCommand) for part in parts)
        if attached and not message.is_meta and not has_words:
            parts = (*parts, Prompt(""))
        for number, part in enumerate(parts):
            match part:
                case Prompt(text=text):
                    self._prompt(message.uuid, text, attached)
                case SlashCommand():
                    self._slash_command(message.uuid, part, turn_began, attached)
                case _:
                    block_id = message.uuid if len(parts) == 1 else f"{message.uuid}-{number}"
                    self._add(part, block_id, message.uuid, message.parent_uuid)

    def add_all_of_event(self, event: SystemEvent, parts: Sequence[Part], turn_began: int) -> None:
        """Add the parts of a `system` line, as `add_all` does."""
        for part in parts:
            if isinstance(part, SlashCommand):
                self._slash_command(event.uuid, part, turn_began)
            else:
                self._add(part, event.uuid)

    def _prompt(self, uuid: str, text: str, attached: Sequence[Content]) -> None:
        prompt = self._new_prompt(uuid, text, attached)
        if self._notes.is_retry(self._shelf.blocks[-2:-1]):
            # The CLI repeats a first prompt only once the API has taken it
            self._shelf.move_before(prompt, len(self._shelf.blocks) - 2)

    def _slash_command(
        self,
        uuid: str,
        command: SlashCommand,
        turn_began: int,
        attached: Sequence[Content] = (),
    ) -> None:
        prompt = self._new_prompt(uuid, command.text, attached)
        prompt.local = command.local
        # On stdout it comes behind what it printed; people read it in front
        self._shelf.move_before(prompt, turn_began)

    def _new_prompt(self, uuid: str, text: str, attached: Sequence[Content]) -> PromptBlock:
        images = [each for each in attached if isinstance(each, ImageContent)]
        others = [each for each in attached if not isinstance(each, ImageContent)]
        return self._shelf.new(PromptBlock, uuid, text=text, images=images, others=others)

    def _add(self, part: Part, block_id: str, uuid: str = "", parent_uuid: str = "") -> None:
        """Add a block, or to a block.

        `uuid` is that of the line which the part is from, `parent_uuid` of the line before it.
        """
        match part:
            case Interruption(text=text):
                self._shelf.new(NoticeBlock, block_id, text=f"{text}.")
            case ShellCommand(command=command):
                block = self._shelf.new(ShellBlock, block_id, command=command)
                self._note_line(uuid, block)
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
        elif sentence := shown_in_a_line(output.text):
            self._shelf.new(NoticeBlock, block_id, text=sentence)
        elif "\x1b" in output.text:
            self._shelf.new(ShellBlock, block_id, stdout=output.text)
        elif output.text:
            self._speech.add_complete(TextBlock, block_id, None, output.text)

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
        self._note_line(uuid, block)
        self._shelf.mark_changed(block)

    def _note_line(self, uuid: str, block: ShellBlock) -> None:
        if uuid:
            self._shell_lines[uuid] = block

    def _folded(self, block_id: str, title: str, text: str) -> None:
        if text:
            self._shelf.new(NoticeBlock, block_id, text=title, detail=text)
