"""The page `/claude`: what configures Claude, for the user or a project."""

from __future__ import annotations

from flask import Blueprint, abort, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.sessions.configuration.acts import Acts
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import Configuration
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.http.flash import flash

MOST_PROJECTS = 50
AGAIN_SECONDS = 2


def blueprint(configuration: Configuration, acts: Acts) -> Blueprint:
    pages = Blueprint("claude", __name__)

    @pages.get("/claude")
    def page() -> str:
        chosen = configuration.chosen(request.args.get("folder", ""))
        return render_template(
            "claude/claude.html",
            chosen=chosen,
            projects=project_choices(configuration.workspace, MOST_PROJECTS),
            report=configuration.report(chosen),
        )

    @pages.get("/claude/acts/<act_id>")
    def act(act_id: str) -> BaseResponse:
        found = acts.get(act_id)
        if found is None:
            abort(404, description="What became of this is not known any more.")
        back = local_path(found.back)  # begun below another base path, it may lie outside
        if found.is_done:
            response: BaseResponse = redirect(back, 303)
            flash(response, "act-done", found.message)
            return response
        response = make_response(render_template("claude/act.html", act=found, back_address=back))
        if found.is_running:
            response.headers["Refresh"] = str(AGAIN_SECONDS)
        return response

    return pages
