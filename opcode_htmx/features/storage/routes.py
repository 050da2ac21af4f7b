"""The storage page, the dry run of a clean-up, and the clean-up."""

from __future__ import annotations

import math

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.storage.clean_up import AGES, CleanUp, PlanChanged
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.sessions.storage.survey import Surveyor
from opcode_htmx.sessions.storage.trash import Trash
from opcode_htmx.sessions.views import SessionViews
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import BadForm
from opcode_htmx.web.http.way_back import lists_sessions

PATIENCE_SECONDS = 1.5
"""A page waits so long for what is counted; then it says that it is being counted."""
AGAIN_SECONDS = 2
"""After which the browser asks again."""
LISTED_IN_TRASH = 20
"""The last deleted ones; the others are on the same page behind a link."""


def blueprint(
    surveyor: Surveyor, clean_up: CleanUp, trash: Trash, views: SessionViews
) -> Blueprint:
    pages = Blueprint("storage", __name__)

    @pages.get("/storage")
    @lists_sessions("Storage")
    def page() -> BaseResponse:
        deleted = trash.find(request.args.get("deleted", ""))
        survey = surveyor.get(PATIENCE_SECONDS)
        if survey is None:
            return counting("storage/counting.html", surveyor.counted, "Storage")
        in_trash = trash.all()
        return make_response(
            render_template(
                "storage/storage.html",
                survey=survey,
                ages=AGES,
                in_trash=in_trash,
                listed=in_trash if "trash" in request.args else in_trash[:LISTED_IN_TRASH],
                deleted=deleted,
            )
        )

    @pages.get("/storage/clean-up")
    @lists_sessions("Clean up")
    def dry_run() -> BaseResponse:
        days = _days(request.args.get("days", str(AGES[1])))
        plan = clean_up.plan(days, PATIENCE_SECONDS)
        if plan is None:
            return counting("storage/counting.html", clean_up.counted, "Clean up")
        changed = flashed()[0] == "plan-changed"
        return make_response(
            render_template("storage/clean_up.html", plan=plan, ages=AGES, changed=changed)
        )

    @pages.post("/storage/clean-up")
    def do() -> BaseResponse:
        """Move the sessions that the dry run has shown, and that are ticked, to the trash."""
        form = request.form
        days, before = _days(form.get("days", "")), _time(form.get("before", ""))
        try:
            ticked = frozenset(form.getlist("go"))
            batch = clean_up.do(days, before, form.get("digest", ""), ticked)
        except PlanChanged:
            return redirect_with_notice(url_for(".dry_run", days=days), "plan-changed")
        if batch is None:
            raise BadForm("Nothing is ticked, so nothing was moved.")
        by = current_identity()
        for trash_id in yielding(batch.sessions):
            session_id = trash.get(trash_id).session_id
            log_act(by, "session.delete", session=session_id, trash=trash_id)
            views.forget(session_id)
        return redirect(url_for(".page", deleted=batch.id), 303)

    return pages


def counting(template: str, counted: int, heading: str) -> BaseResponse:
    """A page that says how far it is, and that the browser loads again by itself."""
    response = make_response(render_template(template, counted=counted, heading=heading))
    response.headers["Refresh"] = str(AGAIN_SECONDS)
    return response


def _days(text: str) -> int:
    """One of the ages; raises BadForm."""
    if text not in map(str, AGES):
        raise BadForm("Choose one of the ages.")
    return int(text)


def _time(text: str) -> float:
    """A Unix time; raises BadForm."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadForm("Look again at what would go.")
    return found
