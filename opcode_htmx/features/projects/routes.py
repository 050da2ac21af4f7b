"""The pages for finding a session: projects, and the sessions of one."""

from pathlib import Path

from flask import Blueprint, render_template, request

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.sessions.trash import DeletedSession, NotInTrash, Trash


def blueprint(config_dir: Path, trash: Trash | None = None) -> Blueprint:
    """Pages `/` and `/projects/<project_id>` over the Claude config folder `config_dir`."""
    browse = Blueprint("projects", __name__)

    def deleted() -> DeletedSession | None:
        """What was deleted on the page that led here, if it can be restored."""
        try:
            return (
                trash.get(request.args["deleted"]) if trash and "deleted" in request.args else None
            )
        except NotInTrash:
            return None

    @browse.get("/")
    def index() -> str:
        found = sessions.projects(config_dir)
        return render_template("projects/projects.html", projects=found, deleted=deleted())

    @browse.get("/projects/<project_id>")
    def project(project_id: str) -> str:
        there = sessions.projects_of(config_dir, project_id)
        if len(there) > 1:
            return render_template(
                "projects/choose_project.html", projects=there, deleted=deleted()
            )
        return render_template(
            "projects/project.html",
            project=there[0],
            sessions=sessions.sessions(config_dir, project_id),
            deleted=deleted(),
        )

    return browse
