"""Add blocks for prompts that Claude Code has handled without repeating them on stdout.

Claude Code answers some prompts by itself, such as `/login page gives a 500`, which begins like a
command that it does not run here. It then does not repeat their text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.engines.messages import INTERRUPTED, TurnResult, User
from opcode_htmx.runs.model.prompt_content import images_in, words_of
from opcode_htmx.transcript.block_store import BlockStore
from opcode_htmx.transcript.blocks import PromptBlock


class UnreadPrompts:
    """The prompts of one run that its stdout does not repeat."""

    def __init__(self, store: BlockStore, sent_prompt: Callable[[str], User | None]) -> None:
        """`sent_prompt` returns the prompt that was sent to the run under an id, if any."""
        self._store = store
        self._sent_prompt = sent_prompt
        self._refused: dict[str, PromptBlock] = {}
        """Refused commands, by the id under which they are sent as text."""

    def complete(self, prompt_id: str, turn_start: int, result: TurnResult | None = None) -> None:
        """Add a handled prompt, unless it has a block; its turn begins at index `turn_start`.

        `result` is that of the turn, if there was one.
        """
        prompt = None if prompt_id in self._store else self._sent_prompt(prompt_id)
        if prompt is None:
            return
        first_of_turn = self._store.blocks[turn_start : turn_start + 1]
        unanswered = result is None or not (result.turns or result.is_error)
        block = self.add(prompt, refused=unanswered and words_of(prompt).startswith("/"))
        # The answer of Claude Code came first; in history both are in one branch
        self._store.move_before(block, turn_start)
        block.line_uuid = first_of_turn[0].line_uuid if first_of_turn else ""

    def complete_all(self, result: TurnResult, turn_start: int) -> None:
        """Add the prompts of a finished turn; those of an interrupted one may be sent again."""
        for prompt_id in () if result.reason in INTERRUPTED else result.prompt_ids:
            self.complete(prompt_id, turn_start, result)

    def add(self, prompt: User, *, refused: bool) -> PromptBlock:
        """Add a block with the text and images of `prompt`."""
        block = self._store.new(
            PromptBlock,
            prompt.uuid,
            text=words_of(prompt).strip(),
            images=images_in(prompt),
            refused=refused,
        )
        if refused and SESSION_ID.fullmatch(prompt.uuid):
            self._refused[encoder.as_text_id(prompt.uuid)] = block
        return block

    @property
    def refused(self) -> Iterable[str]:
        """The ids under which refused commands of this transcript can be sent as text."""
        return list(self._refused)

    def mark_read(self, prompt_id: str) -> PromptBlock | None:
        """Note that Claude has read a prompt; if it repeats a refused one, empty that one's block.

        Returns the block of the refused prompt, if this transcript has it.
        """
        block = self._refused.pop(prompt_id, None)
        if block is not None:
            block.sent_as_text, block.text, block.images = True, "", ()
            self._store.mark_changed(block)
        return block
