"""Keep the words in the composer while a page without a script answers or changes something.

Such a page is one form (templates/session/composer.html), which every button of it sends.
"""

from __future__ import annotations

import contextlib

from flask import Blueprint, request

from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.drafts import NAME, Draft, Drafts, DraftTooLarge
from opcode_htmx.web.http.forms import by_htmx, typed

_SEND = "prompts.prompt"
"""The endpoint that sends the words, and keeps them itself if it refuses them."""


def blueprint(supervisor: Supervisor, lookup: SessionLookup, drafts: Drafts) -> Blueprint:
    pages = Blueprint("typed_words", __name__)

    @pages.before_app_request
    def keep() -> None:
        """Before the view, which may refuse the form: the words stay in any case."""
        if request.method != "POST" or request.endpoint in (None, _SEND) or by_htmx():
            return
        if request.mimetype != "application/x-www-form-urlencoded":
            return  # of files that are chosen nothing is kept, so that Stop does not wait for them
        form = request.form
        session_id, seen = form.get("session_id", ""), form.get("seen")
        if seen is None or "prompt" not in form or not NAME.fullmatch(session_id):
            return
        words = typed(form["prompt"])
        if Draft(words).revision == seen or not lookup.locations.exists(session_id):
            return
        # no reason to refuse what the person wants to do
        with contextlib.suppress(DiskFull, DraftTooLarge):
            drafts.save_beside(session_id, words, form=form.get("prompt_id", ""), seen=seen)
            supervisor.changes(session_id).notify()

    return pages
