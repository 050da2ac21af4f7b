"""Act on the sessions that were selected in a list: pin, archive, tag, delete them all at once."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files.sessions import (
    ProjectNotFound,
    SessionNotFound,
    title_of,
)
from opcode_htmx.features.session_admin.flags import archive
from opcode_htmx.features.session_admin.notice import Notice, archived_text, moment, notice_of
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.locations import SessionLocation
from opcode_htmx.sessions.lookup import SessionLookup, shorten
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.session_flags import SessionFlags
from opcode_htmx.sessions.storage.session_tags import tags_of
from opcode_htmx.sessions.storage.trash import Deletable, Trash
from opcode_htmx.sessions.views import SessionViews
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.http.flash import flash
from opcode_htmx.web.http.forms import BadForm
from opcode_htmx.web.http.way_back import list_at
from opcode_htmx.web.server.base_path import start_page


def blueprint(
    lookup: SessionLookup,
    views: SessionViews,
    flags: SessionFlags,
    positions: ReadPositions,
    trash: Trash,
    runs: Supervisor,
) -> Blueprint:
    pages = Blueprint("selected_sessions", __name__)

    def pin(ids: list[str]) -> None:
        flags.pin(ids)

    def unpin(ids: list[str]) -> None:
        flags.pin(ids, False)

    def unarchive(ids: list[str]) -> None:
        flags.archive(ids, False)

    def tag(ids: list[str]) -> None:
        flags.add_tags(ids, _tags())

    def untag(ids: list[str]) -> None:
        flags.remove_tags(ids, _tags())

    actions: dict[str, Callable[[list[str]], None]] = {
        each.__name__: each for each in (pin, unpin, unarchive, tag, untag)
    }

    @pages.app_template_global("selection_notice")
    def show_notice() -> Notice | None:
        return notice_of(lookup, flags)

    @pages.post("/sessions/selected")
    def act() -> BaseResponse:
        """Do `act` to each `session`, and lead back to the list; "undo" is of archiving `at`."""
        action = request.form.get("act", "")
        if action == "undo":
            return undo()
        locations = _chosen(lookup)
        if action == "delete":
            return delete(locations)
        if action not in {*actions, "archive"}:
            raise BadForm("Choose what to do with the sessions.")
        ids = [each.session_id for each in locations]
        done = str(len(ids))
        if action == "archive":
            at = archive(flags, positions, {each.session_id: each.file for each in locations})
            done = archived_text(len(ids), at)
        else:
            actions[action](ids)
        return answered(action, ids, done, _back())

    def undo() -> BaseResponse:
        ids = flags.undo_archive(moment(request.form.get("at", "")))
        return answered("unarchive", ids, str(len(ids)), local_path(request.form.get("back")))

    def answered(action: str, ids: list[str], done: str, back: str) -> BaseResponse:
        for session_id in ids:
            log_act(current_identity(), f"session.{action}", session=session_id)
        response = redirect(back, 303)
        if ids:
            flash(response, action, done)
        return response

    def delete(locations: list[SessionLocation]) -> BaseResponse:
        batch = trash.put_all(deletable(each, lookup, runs) for each in locations)
        for trash_id in batch.sessions:
            session_id = trash.get(trash_id).session_id
            log_act(current_identity(), "session.delete", session=session_id, trash=trash_id)
            views.forget(session_id)
        kept = len(locations) - len(batch.sessions)
        match batch.sessions:
            case ():
                deleted = ""
            case (alone,):  # whose title the undo can name
                deleted = alone
            case _:
                deleted = batch.id
        response = redirect(_with(_back(), {"deleted": deleted} if deleted else {}), 303)
        if kept:
            flash(response, "kept", str(kept))
        return response

    return pages


def deletable(location: SessionLocation, lookup: SessionLookup, runs: Supervisor) -> Deletable:
    """A session as the trash takes it."""
    title = title_of(location.file) if location.file else ""
    if not title:
        known = runs.of_session(location.session_id)
        title = lookup.title_of_run(known[-1]) if known else "A session"
    return Deletable(location.session_id, location.claude_folder, shorten(title), location.file)


def _chosen(lookup: SessionLookup) -> list[SessionLocation]:
    """The selected sessions that are still there; raises BadForm if there is none."""
    found: dict[tuple[str, str], SessionLocation] = {}
    for key in request.form.getlist("session"):
        project_id, _, session_id = key.partition("/")
        try:
            location = lookup.at(project_id, session_id)
        except (ProjectNotFound, SessionNotFound):
            continue
        found[location.claude_folder, location.session_id] = location
    if not found:
        raise BadForm("Select a session first.")
    return list(found.values())


def _tags() -> tuple[str, ...]:
    """The tags that were chosen and typed; raises BadForm if there is none, and BadTag."""
    found = tags_of(",".join([*request.form.getlist("tag"), request.form.get("tags", "")]))
    if not found:
        raise BadForm("Choose or write a tag first.")
    return found


def _back() -> str:
    """The list from which the sessions were selected; the start page if it is none of ours."""
    way = list_at(request.form.get("back", ""))
    return way.address if way else start_page()


def _with(address: str, values: dict[str, str]) -> str:
    if not values:
        return address
    return f"{address}{'&' if '?' in address else '?'}{urlencode(values)}"
