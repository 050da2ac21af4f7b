"""Rename and delete a session; and put together the pages of what else is done with one.

Forms and links work without JavaScript; nothing here needs a running process.
"""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import titles
from opcode_htmx.features.session_admin import reading, sharing
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.sessions.export.exporter import SessionExporter
from opcode_htmx.sessions.lookup import NOTHING_NOTED, NoHistory, SessionLookup
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.trash import Trash
from opcode_htmx.sessions.views import SessionViews
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, session_url


def blueprint(
    lookup: SessionLookup,
    views: SessionViews,
    read_positions: ReadPositions,
    trash: Trash,
    exporter: SessionExporter,
) -> Blueprint:
    pages = Blueprint(
        "session_admin", __name__, url_prefix="/projects/<project_id>/sessions/<session_id>"
    )
    sharing.add_to(pages, lookup, exporter)
    reading.add_to(pages, lookup, read_positions)

    def history_file(project_id: str, session_id: str) -> Path:
        path = lookup.history_file(project_id, session_id)
        if path is None:
            raise NoHistory(NOTHING_NOTED)
        return path

    @pages.post("/rename")
    def rename(project_id: str, session_id: str) -> BaseResponse:
        name = " ".join(request.form.get("title", "").split())
        if not name:
            raise BadForm("Write a name first.")
        if len(name) > titles.LONGEST:
            raise BadForm(f"The name is longer than {titles.LONGEST} characters.")
        titles.set_title(history_file(project_id, session_id), session_id, name)
        log_act(current_identity(), "session.rename", session=session_id)
        return redirect(session_url(project_id, session_id), 303)

    @pages.post("/delete")
    def delete(project_id: str, session_id: str) -> BaseResponse:
        path = lookup.history_file(project_id, session_id)
        view = lookup.read(project_id, session_id)
        listed = lookup.locations.project_id(lookup.at(project_id, session_id))
        title = lookup.title_or_prompt(project_id, session_id, view)
        deleted = trash.put(session_id, project_id, title, path)
        log_act(current_identity(), "session.delete", session=session_id, trash=deleted.id)
        views.forget(session_id)
        # a shared folder may hold others
        remaining = lookup.locations.first_known(listed, project_id)
        if not remaining:
            return redirect(url_for("home.page", deleted=deleted.id), 303)
        return redirect(url_for("projects.project", project_id=remaining, deleted=deleted.id), 303)

    return pages
