"""The page of resources, the dry run of a clean-up, the clean-up, and ending what was left."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.resources.clean_up import AGES, CleanUp, PlanChanged
from opcode_htmx.features.resources.disk import DiskSurvey
from opcode_htmx.features.resources.processes import ProcessList
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.sessions.repositories.services import RepositoryServices
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flash, flashed, redirect_with_notice
from opcode_htmx.web.http.forms import BadForm
from opcode_htmx.web.http.way_back import lists_sessions

PATIENCE_SECONDS = 0.7


def blueprint(
    services: RepositoryServices, disk: DiskSurvey, clean_up: CleanUp, processes: ProcessList
) -> Blueprint:
    pages = Blueprint("resources", __name__)

    @pages.get("/resources")
    @lists_sessions("Resources")
    def page() -> str:
        return render_template(
            "resources/resources.html",
            disk=disk.get(PATIENCE_SECONDS),
            clones=services.repositories.all(),
            worktrees=services.worktrees.all(),
            running=processes.running(),
            orphans=processes.orphans(),
            strays=processes.strays(),
            ages=AGES,
            notice=flashed(),
        )

    @pages.get("/resources/clean-up")
    def dry_run() -> str:
        days = _days(request.args.get("days", str(AGES[1])))
        plan = clean_up.plan(days, disk.sizes(PATIENCE_SECONDS))
        changed = flashed()[0] == "resources-changed"
        return render_template("resources/clean_up.html", plan=plan, ages=AGES, changed=changed)

    @pages.post("/resources/clean-up")
    def do() -> Response:
        days = _days(request.form.get("days", ""))
        boxes = frozenset(request.form.getlist("go"))
        if not boxes:
            raise BadForm("Nothing is ticked, so nothing was removed.")
        try:
            done = clean_up.do(days, request.form.get("digest", ""), boxes)
        except PlanChanged:
            return redirect_with_notice(url_for(".dry_run", days=days), "resources-changed")
        for each in done.removed:
            log_act(current_identity(), "resources.clean_up", kind=each.kind, name=each.name)
        response = redirect(url_for(".page"), 303)
        failed = "; ".join(f"{each.title}: {each.why}" for each in done.failed)
        flash(response, "resources-removed", f"{len(done.removed)} {failed[:250]}")
        return response

    @pages.post("/resources/processes/<int:pid>/end")
    def end(pid: int) -> Response:
        try:
            started = float(request.form.get("started", ""))
        except ValueError:
            raise BadForm("Look again at what was left behind.") from None
        processes.end(pid, started)
        log_act(current_identity(), "process.end", pid=pid)
        return redirect(url_for(".page", _anchor="left"), 303)

    return pages


def _days(text: str) -> int:
    """One of the ages; raises BadForm."""
    if text not in map(str, AGES):
        raise BadForm("Choose one of the ages.")
    return int(text)
