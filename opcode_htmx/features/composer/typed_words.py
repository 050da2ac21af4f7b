"""Keep the words in the composer while a page without a script answers or changes something.

Such a page is one form (templates/session/composer.html), which every button of it sends. The words
of a form that was refused because the login had ended come with the login (`login.carried_fields`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from flask import Blueprint, Response, request

from opcode_htmx.engines.claude.files.sessions import ProjectNotFound
from opcode_htmx.features.composer.new_session import FOLDER_CHARACTERS, NewSessionPage
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.drafts import NAME, Draft, Drafts, DraftTooLarge, draft_name
from opcode_htmx.web.auth.login import LOG_IN
from opcode_htmx.web.auth.visitor import visitor
from opcode_htmx.web.http.forms import by_htmx, new_session_address, typed
from opcode_htmx.web.server.base_path import start_page

_SEND = "prompts.prompt"
"""The endpoint that sends the words, and keeps them itself if it refuses them."""


def blueprint(
    supervisor: Supervisor, lookup: SessionLookup, drafts: Drafts, new_sessions: NewSessionPage
) -> Blueprint:
    pages = Blueprint("typed_words", __name__)

    @pages.before_app_request
    def keep() -> None:
        """Before the view, which may refuse the form: the words stay in any case."""
        if visitor() is None:  # at a public address
            return
        if request.method != "POST" or request.endpoint in (None, _SEND) or by_htmx():
            return
        if request.mimetype != "application/x-www-form-urlencoded":
            return  # of files that are chosen nothing is kept, so that Stop does not wait for them
        keep_in_session(request.form)

    @pages.after_app_request
    def keep_carried(response: Response) -> Response:
        """Those that came with a login, once it has been right."""
        if request.endpoint != LOG_IN or visitor() is None:
            return response
        form = request.form
        if not keep_in_session(form) and "project" in form and form.get("prompt", "").strip():
            is_there = keep_for_new(form)
            if is_there and response.location == start_page() and "seen" not in form:
                # Not from that page, but from a form that was refused before: no link leads there.
                response.location = new_session_address(form["project"])
        return response

    def keep_in_session(form: Mapping[str, str]) -> bool:
        """Save them as the draft of an existing session; whether the form is one of a session."""
        session_id, seen = form.get("session_id", ""), form.get("seen")
        if seen is None or "prompt" not in form or not NAME.fullmatch(session_id):
            return False
        if not lookup.locations.exists(session_id):
            return False
        words = typed(form["prompt"])
        if Draft(words).revision != seen:
            # no reason to refuse what the person wants to do
            with contextlib.suppress(DiskFull, DraftTooLarge):
                drafts.save_beside(session_id, words, form=form.get("prompt_id", ""), seen=seen)
                supervisor.changes(session_id).notify()
        return True

    def keep_for_new(form: Mapping[str, str]) -> bool:
        """Save them as the draft of the page for a new session; whether there is such a page."""
        project_id = form["project"]
        try:
            new_sessions.check(project_id)
        except ProjectNotFound:
            return False
        with contextlib.suppress(DiskFull, DraftTooLarge):
            drafts.save_beside(
                draft_name(project_id),
                typed(form["prompt"]),
                form=form.get("prompt_id", ""),
                folder=new_sessions.kept_folder(form.get("folder", "")[:FOLDER_CHARACTERS]),
                seen=form.get("seen"),
            )
        return True

    return pages
