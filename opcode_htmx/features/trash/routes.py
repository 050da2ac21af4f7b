"""Restore a session that was deleted."""

from __future__ import annotations

from flask import Blueprint, redirect
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.sessions.storage.trash import Trash
from opcode_htmx.sessions.views import SessionViews
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import session_url


def blueprint(views: SessionViews, trash: Trash) -> Blueprint:
    pages = Blueprint("trash", __name__)

    @pages.post("/trash/<trash_id>/restore")
    def restore(trash_id: str) -> BaseResponse:
        deleted = trash.restore(trash_id)
        session_id = deleted.session_id
        log_act(current_identity(), "session.restore", session=session_id, trash=trash_id)
        views.forget(session_id)
        return redirect(session_url(deleted.project_id, session_id), 303)

    return pages
