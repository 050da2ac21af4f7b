"""The prompts that wait for Claude, or that it did not read: remove, edit or send them again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.features.composer import attachments
from opcode_htmx.features.composer.routes import draft_changed
from opcode_htmx.runs.control.prompt_queue import take_back, waiting_prompt
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.prompt_content import images_in, words_of
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.drafts import Drafts
from opcode_htmx.sessions.submit import Attach, Attachments, PromptSubmitter
from opcode_htmx.transcript.blocks import PromptBlock
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, typed


def blueprint(
    supervisor: Supervisor, submitter: PromptSubmitter, lookup: SessionLookup, drafts: Drafts
) -> Blueprint:
    pages = Blueprint("sent_prompts", __name__)
    changed = partial(draft_changed, supervisor, lookup, drafts)

    @pages.post("/runs/<run_id>/prompts/<prompt_id>/<verb>")
    def queued(run_id: str, prompt_id: str, verb: str) -> BaseResponse | str:
        """Remove, edit or resend a prompt that waits or that Claude did not read."""
        run = supervisor.get(run_id)
        match verb:
            case "remove":
                take_back(run, prompt_id, by=current_identity())
            case "edit":
                _edit(run, prompt_id)
            case "again":
                _send_again(run, prompt_id)
            case _:
                abort(404)
        return changed(lookup.locations.of_run(run).claude_folder, run.record.session_id)

    @pages.post("/projects/<project_id>/sessions/<session_id>/prompts/<prompt_id>/as-text")
    def send_as_text(project_id: str, session_id: str, prompt_id: str) -> BaseResponse | str:
        """Send a prompt again that Claude Code treated as a command, so that Claude reads it."""
        conversation = lookup.read_with(project_id, session_id, prompt_id).conversation
        block = conversation.block(prompt_id)
        if not isinstance(block, PromptBlock) or not history.SESSION_ID.fullmatch(prompt_id):
            abort(404)
        folder = lookup.folder(project_id, session_id)
        if block.refused and not block.sent_as_text:
            # always the same id, so a second tap sends nothing
            new_id, words = encoder.as_text_id(prompt_id), encoder.as_text(block.text)
            submitter.submit(
                session_id,
                folder,
                new_id,
                words,
                attach=_images(block.images),
                again=True,
                by=current_identity(),
            )
        return changed(project_id, session_id)

    def _edit(run: Run, prompt_id: str) -> None:
        """Move a prompt from the queue to the composer, before the text typed there since."""
        session_id = run.record.session_id
        prompt, before = waiting_prompt(run, prompt_id), drafts.get(session_id)
        # without the composer's form the draft has that text
        field = request.form.get("prompt")
        since = before.text if field is None else typed(field)
        words = "\n\n".join(filter(None, (words_of(prompt), since.strip())))
        # in both places for a moment rather than in neither
        drafts.save_text(session_id, words)
        attachments.restore_images(drafts, session_id, images_in(prompt))
        try:
            take_back(run, prompt_id, by=current_identity())
        except Exception:
            drafts.restore(session_id, before)
            raise

    def _send_again(run: Run, prompt_id: str) -> None:
        if run.live:
            raise BadForm("This prompt waits already.")
        prompt = waiting_prompt(run, prompt_id)
        location, words = lookup.locations.of_run(run), words_of(prompt)
        folder = location.working_folder
        submitter.submit(
            location.session_id,
            folder,
            prompt_id,
            words,
            attach=_images(images_in(prompt)),
            again=True,
            by=current_identity(),
        )

    return pages


def _images(images: Sequence[ImageContent]) -> Attach | None:
    """Attach the images of an earlier prompt."""
    return (lambda folder: Attachments(images=images)) if images else None
