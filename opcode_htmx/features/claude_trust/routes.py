"""The pages of the trusted projects: all of them, and one with what it brings."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.claude_trust.service import TrustedProjects
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.sessions.configuration import trust_items
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flash, flashed


def blueprint(trusted: TrustedProjects) -> Blueprint:
    pages = Blueprint("claude_trust", __name__)

    @pages.get("/claude/trust")
    def page() -> str:
        notice, name = flashed()
        return render_template(
            "claude_trust/projects.html", projects=trusted.all(), notice=notice, name=name
        )

    @pages.get("/claude/trust/project")
    def project() -> BaseResponse | str:
        found = trusted.named(request.args.get("name", ""))
        if found is None:  # taken back meanwhile
            return redirect(url_for(".page"), 303)
        groups = trust_items.grouped(found.items or ())
        return render_template(
            "claude_trust/project.html",
            project=found,
            groups=run_cpu_in_thread(trust_items.shown, found.folder, groups),
        )

    @pages.post("/claude/trust/project")
    def take_back() -> BaseResponse:
        name = request.form.get("name", "")
        response = redirect(url_for(".page"), 303)
        if trusted.named(name):
            trusted.take_back(name, current_identity())
            flash(response, "trust-taken-back", name)
        return response

    return pages
