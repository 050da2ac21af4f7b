"""The git page of a project with its commit form, and the page of an act that takes long."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.commits import proposals
from opcode_htmx.features.commits.acts import Act, NoAct
from opcode_htmx.features.commits.history import CommitForm
from opcode_htmx.features.commits.pages import (
    actions,
    branch_routes,
    change_routes,
    common,
    remote_routes,
)
from opcode_htmx.features.commits.services import Services
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.http.forms import typed

AGAIN_SECONDS = 2
MOST_SHOWN = 200
"""Files of a list; the rest is reached by acting on all."""


def blueprint(services: Services) -> Blueprint:
    pages = Blueprint("commits", __name__)
    common.handle_refusals(pages)

    @pages.get("/projects/<project_id>/git")
    def page(project_id: str) -> str:
        found = services.history.overview(project_id)
        message, opened = "", ""
        if act_id := request.args.get("proposed", ""):
            message = proposal(project_id, act_id)
        if "amend" in request.args and found.last:
            message, opened = message or found.last.message, "amend"
        return render_template(
            "commits/git.html",
            project_id=project_id,
            project=services.projects.folder(project_id).name,
            found=found,
            most=MOST_SHOWN,
            message=message,
            is_amend=opened == "amend",
            notice=common.notice(),
        )

    def proposal(project_id: str, act_id: str) -> str:
        try:
            return services.acts.get(project_id, act_id).result
        except NoAct:
            return ""

    @pages.post("/projects/<project_id>/git/commit")
    def commit(project_id: str) -> BaseResponse | tuple[str, int]:
        form = request.form
        asked = CommitForm(
            typed(form.get("message", "")),
            form.get("staged", ""),
            amend=form.get("amend") == "1",
            name=form.get("name", "").strip(),
            address=form.get("address", "").strip(),
        )
        common.log("commit", project_id, amend=asked.amend)
        back = url_for(".page", project_id=project_id)
        return common.after_act(
            services.history.commit(project_id, asked, common.answer_of(form), back)
        )

    @pages.post("/projects/<project_id>/git/propose")
    def propose(project_id: str) -> BaseResponse | tuple[str, int]:
        """Have Claude propose a message, which the form shows then."""
        common.log("propose", project_id)
        back = url_for(".page", project_id=project_id)
        hint = typed(request.form.get("message", ""))
        begun = services.proposals.propose(project_id, hint, back)
        if begun.is_done:
            return redirect(_proposed(begun), 303)
        return common.after_act(begun)

    @pages.get("/projects/<project_id>/git/acts/<act_id>")
    def act(project_id: str, act_id: str) -> BaseResponse:
        found = services.acts.get(project_id, act_id)
        way = local_path(found.back)  # begun below another base path, it may lie outside
        if found.is_done and found.title == proposals.TITLE:
            way = _proposed(found)
        page = render_template("commits/act.html", act=found, project_id=project_id, way=way)
        response = make_response(page)
        if found.is_running:
            response.headers["Refresh"] = str(AGAIN_SECONDS)
        return response

    @pages.post("/projects/<project_id>/git/acts/<act_id>/cancel")
    def cancel(project_id: str, act_id: str) -> BaseResponse:
        services.acts.cancel(project_id, act_id)
        common.log("cancel", project_id, act=act_id)
        return redirect(url_for(".act", project_id=project_id, act_id=act_id), 303)

    actions.add_to(pages)
    change_routes.add_to(pages, services.changes, services.history)
    branch_routes.add_to(pages, services.history)
    remote_routes.add_to(pages, services.remotes, services.pull_requests)
    return pages


def _proposed(act: Act) -> str:
    """The git page with the message that an act has proposed."""
    return url_for(".page", project_id=act.project_id, proposed=act.id)
