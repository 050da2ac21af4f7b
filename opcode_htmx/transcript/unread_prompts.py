"""Prompts that Claude is done with and never repeated: their words as blocks all the same.

Claude Code answers some prompts by itself, such as `/login page gives a 500`, which begins like a
command of its own that it does not run here. It then repeats no word of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opcode_htmx.engines.claude.files.history import SESSION_ID
from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.engines.messages import INTERRUPTED, TurnResult, User
from opcode_htmx.runs.model.prompt_content import images_in, words_of
from opcode_htmx.transcript.block_store import BlockStore
from opcode_htmx.transcript.blocks import PromptBlock


class UnreadPrompts:
    def __init__(self, shelf: BlockStore, sent: Callable[[str], User | None]) -> None:
        """`sent` gives the prompt that was sent to the run under an id, if there is one."""
        self._shelf = shelf
        self._sent = sent
        self._refused: dict[str, PromptBlock] = {}
        """Refused commands, by the id under which they are sent as text."""

    def complete(self, prompt_id: str, turn_began: int, result: TurnResult | None = None) -> None:
        """Claude is done with a prompt, in a turn whose blocks begin at index `turn_began`.

        `result` is that of the turn, if there was one.
        """
        prompt = None if prompt_id in self._shelf else self._sent(prompt_id)
        if prompt is None:
            return
        behind = self._shelf.blocks[turn_began : turn_began + 1]
        unanswered = result is None or not (result.turns or result.is_error)
        block = self.add(prompt, refused=unanswered and words_of(prompt).startswith("/"))
        # What Claude Code has said about it came first; the history holds both in one branch
        self._shelf.move_before(block, turn_began)
        block.row = behind[0].row if behind else ""

    def complete_all(self, result: TurnResult, turn_began: int) -> None:
        """A turn is over; the prompts of one that was interrupted may be sent again."""
        for prompt_id in () if result.reason in INTERRUPTED else result.prompt_ids:
            self.complete(prompt_id, turn_began, result)

    def add(self, prompt: User, *, refused: bool) -> PromptBlock:
        """A new block with the words and images of `prompt`."""
        block = self._shelf.new(
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

    def read(self, prompt_id: str) -> PromptBlock | None:
        """Claude has read a prompt; if it is a refused one sent as text, its words stand there.

        The block of the refused one, if that is here.
        """
        block = self._refused.pop(prompt_id, None)
        if block is not None:
            block.sent_as_text, block.text, block.images = True, "", ()
            self._shelf.mark_changed(block)
        return block
