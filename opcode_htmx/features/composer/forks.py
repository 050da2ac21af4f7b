"""Fork a session: start a new one with a copy of its history, whole or up to one of its blocks.

A fork at an answer or a tool includes it. A fork at a prompt ends before it, and the prompt is the
draft of the new session, to be edited.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import uuid
from pathlib import Path

from flask import Blueprint, abort, make_response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import fork
from opcode_htmx.features.composer.new_session import NewSessionPage, path_reference
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import (
    NOTHING_NOTED,
    NoHistory,
    SessionLookup,
    title_of,
)
from opcode_htmx.sessions.storage.drafts import Drafts, DraftTooLarge
from opcode_htmx.sessions.storage.session_flags import SessionFlags
from opcode_htmx.transcript.blocks import Block, NoticeBlock, PromptBlock
from opcode_htmx.transcript.conversation import history_position
from opcode_htmx.transcript.conversation.branches import top_of
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import session_address, session_url


def blueprint(
    page: NewSessionPage,
    lookup: SessionLookup,
    drafts: Drafts,
    supervisor: Supervisor,
    flags: SessionFlags,
) -> Blueprint:
    forks = Blueprint("forks", __name__, url_prefix="/projects/<project_id>/sessions/<session_id>")

    @forks.post("/fork")
    def fork_session(project_id: str, session_id: str) -> BaseResponse:
        folder = lookup.at(project_id, session_id).folder
        if folder is not None:
            supervisor.starts.check_folder(Path(folder))
        conversation = lookup.read(project_id, session_id, whole=True).conversation
        blocks = list(conversation.blocks())
        title = lookup.title(project_id, session_id) or title_of(blocks)
        name = f"{title} (fork)"
        block_id = request.form.get("block")
        if not block_id:
            path = lookup.history_file(project_id, session_id)
            if path is None:
                raise NoHistory(NOTHING_NOTED)
            return forked(project_id, session_id, copied(session_id, path, name))

        block = top_of(blocks, conversation.block(block_id) or abort(404))
        found = history_position.find(_files(project_id, session_id, blocks), block)
        if found is None or not history_position.can_fork(block):
            raise NoHistory("Claude has not noted this yet. Try again in a moment.")
        prompt = found.block if isinstance(found.block, PromptBlock) else None
        if prompt:
            cut = fork.cut_before(found.file, found.begin)
        else:
            cut = fork.cut_behind(found.file, found.end)
        try:
            new = copied(session_id, found.file, name, cut)
        except fork.NothingToFork:
            if prompt is None:
                raise
            # Nothing comes before the first prompt: offer a new session with that prompt
            back = session_address(project_id, session_id)
            filled = {"folder": path_reference(folder), "prompt": prompt.text, "back": back}
            return make_response(page.page(project_id, filled))
        if prompt:
            _save_draft(drafts, new, prompt)
        return forked(project_id, session_id, new)

    def copied(session_id: str, path: Path, name: str, cut: fork.Cut | None = None) -> str:
        """The id of a fork with the limits of the session; there is none without them."""
        new, profiles = str(uuid.uuid4()), supervisor.options.profiles
        try:
            profiles.copy(session_id, new)
            return fork.fork(path, name, cut, new)
        except BaseException:
            profiles.remove(new)
            raise

    def forked(project_id: str, session_id: str, new: str) -> BaseResponse:
        """Log the fork of a session, give it the same tags, and redirect to it."""
        log_act(current_identity(), "session.fork", session=session_id, new=new)
        flags.add_tags((new,), flags.of(session_id).tags)
        return redirect(session_url(project_id, new), 303)

    def _files(project_id: str, session_id: str, blocks: list[Block]) -> list[Path]:
        """The history files that contain the blocks of one page: another one after `/clear`."""
        moved = [b.session_id for b in blocks if isinstance(b, NoticeBlock) and b.session_id]
        found = (lookup.history_file_or_none(project_id, each) for each in (session_id, *moved))
        return [path for path in found if path]

    return forks


def _save_draft(drafts: Drafts, session_id: str, prompt: PromptBlock) -> None:
    """Save a prompt as the draft of a session, with its images."""
    with contextlib.suppress(DraftTooLarge):
        drafts.save_text(session_id, prompt.text)
        for number, image in enumerate(prompt.images, start=1):
            with contextlib.suppress(binascii.Error):
                name = f"image-{number}.{image.media_type.partition('/')[2]}"
                content = base64.b64decode(image.data, validate=True)
                drafts.add_file(session_id, name, content, image.media_type)
