"""Try a command or skill: the page for a new session, with its name filled in."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.engines.claude.config.documents.kinds import Kind
from opcode_htmx.sessions.configuration.documents import Documents
from opcode_htmx.sessions.storage.drafts import Drafts, draft_name


def add_to(pages: Blueprint, documents: Documents, kind: Kind, drafts: Drafts) -> None:
    """The route of the form."""
    address = f"/claude/{kind.value}"

    @pages.post(f"{address}/<scope>/<document>/try", endpoint="try_out")
    def try_out(scope: str, document: str) -> Response:
        """Put the name before the draft of a new session, whose words stay as its arguments."""
        chosen = documents.configuration.chosen(request.form.get("folder", ""))
        found = documents.find(kind, chosen, scope, document)
        if found is None:
            abort(404, description=f"There is no such {kind.noun}.")
        draft, typed = draft_name(""), f"/{found.called} "
        before = drafts.get(draft).text
        if not before.startswith(typed):
            folder = chosen.reference or None
            drafts.save_text(draft, f"{typed}{before}", folder=folder)
        return redirect(url_for("new_session.new", folder=chosen.reference or None), 303)
