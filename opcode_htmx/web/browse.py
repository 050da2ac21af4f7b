"""The pages for finding a session: projects, and the sessions of one."""

from pathlib import Path

from flask import Blueprint, render_template

from opcode_htmx.claude import sessions


def blueprint(config_dir: Path) -> Blueprint:
    """Pages `/` and `/projects/<project_id>` over the Claude config folder `config_dir`."""
    browse = Blueprint("browse", __name__)

    @browse.get("/")
    def projects() -> str:
        return render_template("projects.html", projects=sessions.projects(config_dir))

    @browse.get("/projects/<project_id>")
    def project(project_id: str) -> str:
        return render_template(
            "project.html",
            project=sessions.project(config_dir, project_id),
            sessions=sessions.sessions(config_dir, project_id),
        )

    return browse
