"""The prompts that were sent to a run, by their ids."""

from __future__ import annotations

import math
from typing import Protocol

from opcode_htmx.engines.messages import User
from opcode_htmx.runs.control.prompt_queue import sent_prompt
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.model.prompt_content import words_of


class Sent(Protocol):
    """Looks up prompts by id; None where there is none."""

    def text(self, prompt_id: str) -> str | None: ...

    def prompt(self, prompt_id: str) -> User | None: ...


class SentPrompts:
    """Looks up prompts without changing the state of the run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._reader = LineReader(run.folder.input_log, longest=math.inf)
        self._texts: dict[str, str] = {}

    def text(self, prompt_id: str) -> str | None:
        """The text of the prompt that was sent under this id; None if none was.

        Claude's line about a prompt may be read before the state has the line that was sent.
        """
        known = self._run.state.sent.get(prompt_id)
        if known is None and prompt_id not in self._texts:
            for line in self._reader.read():
                message = self._run.codec.parse(line.data)
                if isinstance(message, User):
                    self._texts.setdefault(message.uuid, words_of(message))
        return self._texts.get(prompt_id) if known is None else known

    def prompt(self, prompt_id: str) -> User | None:
        """The whole prompt that was sent under this id; None if none was."""
        return sent_prompt(self._run, prompt_id)
