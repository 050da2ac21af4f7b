"""Go back to before a prompt: the files, the conversation, or both."""

from __future__ import annotations

import base64
import binascii
import contextlib
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gevent

from opcode_htmx.engines.claude import rewind as protocol
from opcode_htmx.engines.claude.files import lineage, titles
from opcode_htmx.engines.claude.rewind import ConversationAnswer, FilesAnswer
from opcode_htmx.engines.requests import Query
from opcode_htmx.features.checkpoints.history_end import has_cut
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.control import control_requests
from opcode_htmx.runs.control.control_requests import ControlRefused
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import OPEN_TURN
from opcode_htmx.sessions.checkpoints.service import ClaudeWorks
from opcode_htmx.sessions.storage.drafts import DraftTooLarge
from opcode_htmx.transcript.blocks import PromptBlock

NOTED_SECONDS = 5.0
"""How long Claude may take to write down a cut; it takes a tenth of a second."""
SECONDS = 30.0
"""For Claude's answer; putting many files back takes a while."""
BUSY_SECONDS, BUSY_PAUSE = 10.0, 0.2
"""For how long Claude is asked again that is busy with the end of its turn, and how often."""


class CannotRewind(Exception):
    """It is not possible to go back; the text is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What Claude would put back, as it said when it was asked."""

    prompt_id: str
    at: float
    can: bool
    reason: str
    files: tuple[str, ...]
    insertions: int
    deletions: int


class Rewind:
    """Goes back in sessions, by checkpoints and by Claude's own means."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._checkpoints = context.sessions.checkpoints

    def prompt(self, project_id: str, session_id: str, prompt_id: str) -> PromptBlock:
        """The prompt with an id. Raises CannotRewind."""
        view = self._context.sessions.lookup.read_with(project_id, session_id, prompt_id)
        block = view.conversation.block(prompt_id)
        if not isinstance(block, PromptBlock) or block.parent:
            raise CannotRewind("This prompt is not part of the conversation any more.")
        return block

    def check_rest(self, session_id: str) -> None:
        """Raises ClaudeWorks where Claude works in the session."""
        runs = self._context.runs.of_session(session_id)
        if any(run.live and run.phase in OPEN_TURN for run in runs):
            raise ClaudeWorks("Claude is at work. Wait until it is done, or stop it first.")

    def look(self, session_id: str, folder: Path, prompt_id: str, at: float, by: Identity) -> Asked:
        """Ask Claude what it would put back, and keep the answer for the page.

        Raises ClaudeWorks, ControlRefused, and as Supervisor.at_rest does.
        """
        answer = self._files(session_id, folder, prompt_id, by, dry_run=True)
        asked = Asked(
            prompt_id,
            at,
            answer.can,
            answer.reason,
            answer.files[:200],
            answer.insertions,
            answer.deletions,
        )
        content: Mapping[str, Any] = asdict(asked)
        self._checkpoints.store.change(session_id, lambda record: replace(record, asked=content))
        return asked

    def asked(self, session_id: str, prompt_id: str) -> Asked | None:
        """What Claude has last answered about this prompt."""
        content = self._checkpoints.store.read(session_id).asked
        if not content or content.get("prompt_id") != prompt_id:
            return None
        return Asked(**{**content, "files": tuple(content["files"])})

    def files_by_checkpoint(
        self, session_id: str, prompt_id: str, digest: str, by: Identity
    ) -> None:
        """Restore the checkpoint from before a prompt. Raises as Checkpoints.restore does."""
        checkpoint = self._checkpoints.of_session_prompt(session_id, prompt_id)
        if checkpoint is None:
            raise CannotRewind("There is no checkpoint from before this prompt any more.")
        self._checkpoints.restore(session_id, checkpoint.number, digest=digest, by=by)

    def files_by_claude(self, session_id: str, folder: Path, prompt_id: str, by: Identity) -> None:
        """Let Claude put back what it wrote since a prompt, after a checkpoint of now.

        Raises CannotRewind, CheckpointRefused, ClaudeWorks, and as Supervisor.at_rest does.
        """
        self.check_rest(session_id)
        undo = self._checkpoints.before_rewind(session_id, folder)
        asked = self._files(session_id, folder, prompt_id, by, dry_run=True)
        answer = self._files(session_id, folder, prompt_id, by, dry_run=False)
        if not answer.can:
            raise CannotRewind(f"Claude cannot put the files back: {answer.reason}")
        self._checkpoints.note_rewound(session_id, undo.number, len(asked.files))
        log_act(by, "rewind.files", session=session_id, prompt=prompt_id, undo=undo.number)

    def conversation(
        self, project_id: str, session_id: str, folder: Path, block: PromptBlock, by: Identity
    ) -> None:
        """Cut the conversation before a prompt, which becomes the draft.

        Raises CannotRewind, ClaudeWorks, and as Supervisor.at_rest does.
        """
        self.check_rest(session_id)
        query = protocol.conversation(block.id, self._newest_prompt(project_id, session_id))
        history = self._context.engine.history
        size = history.size(session_id) or 0
        with self._context.runs.starts.at_rest(session_id, folder, by=by) as run:
            answer = _cut(run, query)
            if answer.is_done:
                self._wait_until_noted(session_id, size, answer.before)
        if answer.is_busy:
            raise CannotRewind(
                "Claude cannot take the conversation back now, although its turn is over: "
                f"{answer.reason}. Try again in a moment."
            )
        if not answer.is_done:
            reason = f": {answer.reason}" if answer.reason else "."
            raise CannotRewind(f"Claude cannot take the conversation back{reason}")
        log_act(by, "rewind.conversation", session=session_id, prompt=block.id)
        self._save_draft(session_id, answer.text or block.text, block)
        self._context.runs.changes(session_id).notify()

    def _newest_prompt(self, project_id: str, session_id: str) -> str:
        view = self._context.sessions.lookup.read(project_id, session_id)
        prompts = [each for each in view.conversation.blocks() if isinstance(each, PromptBlock)]
        return next((each.id for each in reversed(prompts) if not each.local), "")

    def _wait_until_noted(self, session_id: str, size: int, before: str) -> None:
        """Wait until Claude has written down that it has cut, before its process is ended."""
        file = self._context.sessions.locations.of(session_id).file
        until = time.monotonic() + NOTED_SECONDS
        while file is not None and not has_cut(file, size):
            if time.monotonic() >= until:
                if before:
                    titles.append(file, lineage.checkpoint_line(session_id, before))
                return
            gevent.sleep(0.05)

    def _files(
        self, session_id: str, folder: Path, prompt_id: str, by: Identity, *, dry_run: bool
    ) -> FilesAnswer:
        self.check_rest(session_id)
        query = protocol.files(prompt_id, dry_run=dry_run)
        try:
            return protocol.files_answer(self._ask(session_id, folder, query, by))
        except ControlRefused as error:
            return FilesAnswer(False, str(error))

    def _ask(self, session_id: str, folder: Path, query: Query, by: Identity) -> Json:
        with self._context.runs.starts.at_rest(session_id, folder, by=by) as run:
            return control_requests.ask(run, query, SECONDS)

    def _save_draft(self, session_id: str, text: str, block: PromptBlock) -> None:
        """The prompt, with its images, goes where it was written; what is there already stays."""
        drafts = self._context.sessions.drafts
        with contextlib.suppress(DraftTooLarge):
            drafts.save_beside(session_id, text, seen="", form="")
            for number, image in enumerate(block.images, start=1):
                with contextlib.suppress(binascii.Error):
                    name = f"image-{number}.{image.media_type.partition('/')[2]}"
                    content = base64.b64decode(image.data, validate=True)
                    drafts.add_file(session_id, name, content, image.media_type)


def _cut(run: Run, query: Query) -> ConversationAnswer:
    """What Claude answers to the order to cut, once it has ended its turn, too.

    Raises ControlRefused, RunNotLive.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        answer = protocol.conversation_answer(control_requests.ask(run, query, SECONDS))
        if not answer.is_busy or time.monotonic() >= until:
            return answer
        gevent.sleep(BUSY_PAUSE)
