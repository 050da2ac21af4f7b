"""The pages for finding a session: projects, and the sessions of one."""

from pathlib import Path

from flask import Blueprint, render_template, request

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.sessions.storage.trash import DeletedSession, NotInTrash, Trash
from opcode_htmx.web.http.way_back import lists_sessions


def blueprint(config_dir: Path, trash: Trash | None = None) -> Blueprint:
    """Pages `/` and `/projects/<project_id>` over the Claude config folder `config_dir`."""
    pages = Blueprint("projects", __name__)

    def deleted() -> DeletedSession | None:
        """The session deleted on the previous page, if it can be restored."""
        try:
            return (
                trash.get(request.args["deleted"]) if trash and "deleted" in request.args else None
            )
        except NotInTrash:
            return None

    @pages.get("/")
    @lists_sessions("All projects")
    def index() -> str:
        found = sessions.projects(config_dir)
        return render_template("projects/projects.html", projects=found, deleted=deleted())

    @pages.get("/projects/<project_id>")
    @lists_sessions("All sessions of this project")
    def project(project_id: str) -> str:
        matching = sessions.projects_of(config_dir, project_id)
        if len(matching) > 1:
            return render_template(
                "projects/choose_project.html", projects=matching, deleted=deleted()
            )
        return render_template(
            "projects/project.html",
            project=matching[0],
            sessions=sessions.sessions(config_dir, project_id),
            deleted=deleted(),
        )

    return pages
