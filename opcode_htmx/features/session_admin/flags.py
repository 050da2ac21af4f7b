"""Pin, archive and tag one session from its menu; an archived one comes back when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.sessions import summary_of
from opcode_htmx.features.session_admin.notice import archived_text
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.session_flags import Flags, SessionFlags
from opcode_htmx.sessions.storage.session_tags import tags_of
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flash
from opcode_htmx.web.http.forms import BadForm, session_url


def blueprint(
    config_dir: Path, lookup: SessionLookup, flags: SessionFlags, positions: ReadPositions
) -> Blueprint:
    pages = Blueprint("session_flags", __name__)

    @pages.app_template_global("session_flags")
    def of(session_id: str) -> Flags:
        found = flags.of(session_id)
        if not found.archived:
            return found
        return found.of_use(last_used(history.find(config_dir, session_id)), positions.past())

    @pages.post("/projects/<project_id>/sessions/<session_id>/flags")
    def change(project_id: str, session_id: str) -> BaseResponse:
        """Do `act`; "tags" replaces the tags by those in `tags`."""
        location, action = lookup.at(project_id, session_id), request.form.get("act", "")
        ids, at = (location.session_id,), 0.0
        match action:
            case "pin" | "unpin":
                flags.pin(ids, action == "pin")
            case "archive":
                at = archive(flags, positions, {location.session_id: location.file})
            case "unarchive":
                flags.archive(ids, False)
            case "tags":
                flags.set_tags(location.session_id, tags_of(request.form.get("tags", "")))
            case _:
                raise BadForm("Choose what to do with the session.")
        log_act(current_identity(), f"session.{action}", session=location.session_id)
        response = redirect(session_url(project_id, session_id), 303)
        if action == "archive":
            flash(response, action, archived_text(1, at))
        return response

    return pages


def archive(
    flags: SessionFlags, positions: ReadPositions, files: Mapping[str, Path | None]
) -> float:
    """Archive sessions, with their history files; returns what SessionFlags.archive does.

    A time of a clock that was ahead is noticed before: once it has come, it would lead out of the
    archive.
    """
    used_at, past = {key: last_used(file) for key, file in files.items()}, positions.past()
    for each in filter(past.is_wrong, used_at.values()):
        past.of(each)
    positions.notice(past)
    return flags.archive(files, used_at=used_at, past=past)


def last_used(file: Path | None) -> float:
    """When a session was used last, in Unix seconds, by its history file; 0 without one."""
    summary = summary_of(file) if file else None
    return summary.last_activity if summary else 0.0


def take_out_of_archive(flags: SessionFlags, session_id: str) -> None:
    """Called when a prompt is sent in a session: what is in use is in the lists."""
    if flags.of(session_id).archived:
        flags.archive((session_id,), False)
