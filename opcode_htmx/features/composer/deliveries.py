"""Make the prompt of a request ready to be sent, and keep its text in a draft if it is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flask import request

from opcode_htmx.features.composer import attachments
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.budgets.book import BudgetReached
from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.control.run import RunNotLive
from opcode_htmx.runs.policies.limit_monitor import QueueFull
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.sessions.storage.drafts import DraftFile, Drafts, DraftTooLarge
from opcode_htmx.sessions.submit import Attachments, InvalidPrompt, PromptSubmitter
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, typed
from opcode_htmx.web.http.prompt_form import prompt_id_of, prompt_id_of_form

Options = Mapping[str, str | bool | None]

KEPT_IN_DRAFT = (
    BudgetReached,
    CannotStart,
    DiskFull,
    QueueFull,
    RunNotLive,
    BadForm,
    InvalidPrompt,
    TrustNeeded,
)
"""Refusals of a prompt after which its text stays in the draft."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A prompt that is ready to be sent: its id, and the one under which it arrives."""

    prompt_id: str
    sent_id: str
    files: int
    """How many."""
    send: Callable[[Path], None]


class Deliveries:
    """Those of one worker. All methods are called within a request with the form of a prompt."""

    def __init__(self, submitter: PromptSubmitter, drafts: Drafts) -> None:
        self._submitter = submitter
        self._drafts = drafts

    def send(
        self,
        session_id: str,
        folder: Path,
        words: str,
        draft: str,
        kept: Sequence[DraftFile],
        options: Options | None = None,
    ) -> str:
        """Send a prompt, and return its id; after a refusal its text stays in the draft `draft`."""
        delivery = self.of_request(session_id, words, draft, kept, options)
        try:
            delivery.send(folder)
        except KEPT_IN_DRAFT:
            with contextlib.suppress(DiskFull):  # then the page or the response has the text
                self.keep(draft, words)
            raise
        return delivery.sent_id

    def of_request(
        self,
        session_id: str,
        words: str,
        draft: str,
        kept: Sequence[DraftFile],
        options: Options | None = None,
    ) -> Delivery:
        """What sends the prompt of this request, also after it."""
        form_id, by = request.form.get("prompt_id", ""), current_identity()
        tokens = dict.fromkeys([*request.form.getlist("attached"), *(file.token for file in kept)])
        prompt_id, before = prompt_id_of(words, tokens), self._drafts.get(draft)
        stored = {file.token: file for file in before.files}
        files = [stored[token] for token in tokens if token in stored]
        other_id = dict(before.sent_as).get(prompt_id, "")
        left = None  # the scripts of a session's page report what its field still holds
        if options is not None:  # a new session: its page goes away
            left = typed(request.form.get("prompt", "")) if request.form.get("suggested") else ""

        def attach(target: Path) -> Attachments:
            if len(files) < len(tokens):
                raise BadForm("A file of this prompt is no longer there. Look and send again.")
            images = attachments.images_of(self._drafts, draft, files)
            return Attachments(attachments.copy_to(self._drafts, draft, files, target), images)

        def send(folder: Path) -> None:
            if other_id:
                # It did not arrive, and another page has sent it meanwhile, from the draft.
                with contextlib.suppress(DiskFull):
                    self._drafts.sent(draft, words, form_id, files, left=left)
                return
            self._submitter.submit(
                session_id,
                folder,
                prompt_id,
                words,
                attach=attach if tokens else None,
                options=options,
                by=by,
            )
            is_draft = before.text.strip() == words and before.form != form_id
            typed_as = prompt_id_of_form(before.form, words, tokens) if is_draft else ""
            with contextlib.suppress(DiskFull):  # the prompt has been sent
                sent_as = [(typed_as, prompt_id)] if typed_as else []
                self._drafts.sent(draft, words, form_id, files, sent_as, left=left)

        return Delivery(prompt_id, other_id or prompt_id, len(tokens), send)

    def keep(self, draft: str, words: str, folder: str | None = None) -> str:
        """Keep the words of a refused form; what the draft has then (see Drafts.save_beside)."""
        form_id, seen = request.form.get("prompt_id", ""), request.form.get("seen")
        try:
            return self._drafts.save_beside(draft, words, form=form_id, folder=folder, seen=seen)
        except DraftTooLarge:  # only together: the other text stays, and the page has this one
            return words
