"""Build blocks from user lines: prompts, and notes from the terminal, the editor and the CLI."""

from __future__ import annotations

from collections.abc import Sequence

from opcode_htmx.engines.contents import Content, ImageContent, TextContent, ToolResult
from opcode_htmx.engines.messages import SystemEvent, User
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
from opcode_htmx.transcript.cli_text import as_single_line
from opcode_htmx.transcript.parts.notice_blocks import NoticeBlocks
from opcode_htmx.transcript.parts.text_stream import TextStream

_NOT_ATTACHED = TextContent | ToolResult


class UserBlocks:
    """Makes the blocks of one transcript."""

    def __init__(
        self, store: BlockStore, text_stream: TextStream, notice_blocks: NoticeBlocks
    ) -> None:
        self._store = store
        self._text_stream = text_stream
        self._notice_blocks = notice_blocks
        self._shell_lines: dict[str, ShellBlock] = {}
        """The block that a line belongs to, by the uuid of the line."""

    def has(self, uuid: str) -> bool:
        """Whether the line with this uuid was added already: files may hold it twice."""
        if not uuid:
            return False
        return uuid in self._store or f"{uuid}-0" in self._store or uuid in self._shell_lines

    def add_all(self, message: User, parts: Sequence[Part], turn_start: int) -> None:
        """Add the parts of a `user` line; the blocks of its turn begin at index `turn_start`."""
        attached = [each for each in message.content if not isinstance(each, _NOT_ATTACHED)]
        has_words = any(isinstance(part, Prompt | SlashCommand) for part in parts)
        if attached and not message.is_meta and not has_words:
            parts = (*parts, Prompt(""))
        for number, part in enumerate(parts):
            match part:
                case Prompt(text=text):
                    self._prompt(message.uuid, text, attached)
                case SlashCommand():
                    self._slash_command(message.uuid, part, turn_start, attached)
                case _:
                    block_id = message.uuid if len(parts) == 1 else f"{message.uuid}-{number}"
                    self._add(part, block_id, message.uuid, message.parent_uuid)

    def add_all_of_event(self, event: SystemEvent, parts: Sequence[Part], turn_start: int) -> None:
        """Add the parts of a `system` line, as `add_all` does."""
        for part in parts:
            if isinstance(part, SlashCommand):
                self._slash_command(event.uuid, part, turn_start)
            else:
                self._add(part, event.uuid)

    def _prompt(self, uuid: str, text: str, attached: Sequence[Content]) -> None:
        prompt = self._new_prompt(uuid, text, attached)
        if self._notice_blocks.is_retry(self._store.blocks[-2:-1]):
            # The CLI repeats a first prompt only after the API has accepted it
            self._store.move_before(prompt, len(self._store.blocks) - 2)

    def _slash_command(
        self,
        uuid: str,
        command: SlashCommand,
        turn_start: int,
        attached: Sequence[Content] = (),
    ) -> None:
        prompt = self._new_prompt(uuid, command.text, attached)
        prompt.local = command.local
        # On stdout a command follows its output; people read it before that
        self._store.move_before(prompt, turn_start)

    def _new_prompt(self, uuid: str, text: str, attached: Sequence[Content]) -> PromptBlock:
        images = [each for each in attached if isinstance(each, ImageContent)]
        others = [each for each in attached if not isinstance(each, ImageContent)]
        return self._store.new(PromptBlock, uuid, text=text, images=images, others=others)

    def _add(self, part: Part, block_id: str, uuid: str = "", parent_uuid: str = "") -> None:
        """Add a block, or append to one.

        `uuid` is that of the part's line, `parent_uuid` that of the line before it.
        """
        match part:
            case Interruption(text=text):
                self._store.new(NoticeBlock, block_id, text=f"{text}.")
            case ShellCommand(command=command):
                block = self._store.new(ShellBlock, block_id, command=command)
                self._remember_line(uuid, block)
            case ShellOutput():
                self._shell_output(part, block_id, uuid, parent_uuid)
            case CommandOutput():
                self._command_output(part, block_id)
            case EditorNote(title=title, text=text):
                self._add_collapsed(block_id, title, text)
            case MemoryNote(text=text):
                self._add_collapsed(block_id, "Added to Claude's memory", text)
            case HookNote(event=event, text=text):
                self._add_collapsed(block_id, f"Hook {event}", text)
            case OtherMessage(sender=sender, text=text):
                title = f"Message that you did not write, from: {sender}"
                self._add_collapsed(block_id, title, text)
            case ModelNote(text=text, attached=True):
                self._add_collapsed(block_id, "Added for Claude to read", text)
            case _:
                pass

    def _command_output(self, output: CommandOutput, block_id: str) -> None:
        """Add the output of a slash command: as a notice, a text, or terminal output."""
        if output.is_error:
            self._store.new(ErrorBlock, block_id, text=plain(output.text))
        elif sentence := as_single_line(output.text):
            self._store.new(NoticeBlock, block_id, text=sentence)
        elif "\x1b" in output.text:
            self._store.new(ShellBlock, block_id, stdout=output.text)
        elif output.text:
            self._text_stream.add_complete(TextBlock, block_id, None, output.text)

    def _shell_output(
        self, output: ShellOutput, block_id: str, uuid: str, parent_uuid: str
    ) -> None:
        """Append output to its command: that of the line before it, or else the newest block."""
        newest = self._store.blocks[-1] if self._store.blocks else None
        block = self._shell_lines.get(parent_uuid)
        if block is None and isinstance(newest, ShellBlock):
            block = newest
        if block is None:
            if not (output.stdout or output.stderr):
                return
            block = self._store.new(ShellBlock, block_id)
        block.stdout += output.stdout
        block.stderr += output.stderr
        self._remember_line(uuid, block)
        self._store.mark_changed(block)

    def _remember_line(self, uuid: str, block: ShellBlock) -> None:
        if uuid:
            self._shell_lines[uuid] = block

    def _add_collapsed(self, block_id: str, title: str, text: str) -> None:
        if text:
            self._store.new(NoticeBlock, block_id, text=title, detail=text)
