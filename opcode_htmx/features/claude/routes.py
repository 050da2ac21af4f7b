"""The page `/claude`: what configures Claude, for the user or a project."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import Configuration

MOST_PROJECTS = 50


def blueprint(configuration: Configuration) -> Blueprint:
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

    return pages
