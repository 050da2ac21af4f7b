"""Restore sessions that were deleted, one or those deleted together; and empty the trash."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.sessions.storage.trash import Trash
from opcode_htmx.sessions.views import SessionViews
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import session_url
from opcode_htmx.web.http.way_back import list_at
from opcode_htmx.web.server.base_path import start_page


def blueprint(views: SessionViews, trash: Trash) -> Blueprint:
    pages = Blueprint("trash", __name__)

    @pages.post("/trash/<trash_id>/restore")
    def restore(trash_id: str) -> BaseResponse:
        deleted = trash.restore(trash_id)
        session_id = deleted.session_id
        log_act(current_identity(), "session.restore", session=session_id, trash=trash_id)
        views.forget(session_id)
        return redirect(session_url(deleted.project_id, session_id), 303)

    @pages.post("/trash/batches/<batch_id>/restore")
    def restore_batch(batch_id: str) -> BaseResponse:
        """Restore the sessions that were deleted together, and lead back to their list."""
        for deleted in yielding(trash.restore_all(batch_id)):
            log_act(
                current_identity(), "session.restore", session=deleted.session_id, trash=deleted.id
            )
            views.forget(deleted.session_id)
        way = list_at(request.form.get("back", ""))
        return redirect(way.address if way else start_page(), 303)

    @pages.post("/trash/empty")
    def empty() -> BaseResponse:
        """Delete what is in the trash for good."""
        gone = trash.empty()
        log_act(current_identity(), "trash.empty", sessions=gone)
        return redirect(url_for("storage.page"), 303)

    return pages
