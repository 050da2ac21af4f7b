"""The pages for finding a session: projects, and the sessions of one."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, render_template, request

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.features.projects.overview import Overview
from opcode_htmx.sessions.storage.trash import DeletedSession, NotInTrash, Trash
from opcode_htmx.web.http.way_back import lists_sessions


def blueprint(
    config_dir: Path, trash: Trash | None = None, overview: Overview | None = None
) -> Blueprint:
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
        usual = usual_folder([project.path for project in found if project.path])
        return render_template(
            "projects/projects.html",
            lists=overview.lists() if overview else None,
            projects=found,
            usual=usual,
            deleted=deleted(),
        )

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


def usual_folder(paths: Sequence[str]) -> str:
    """The folder in which most of these folders lie directly; empty if it is not half of them.

    Their names are enough there: no two are the same.
    """
    parents = Counter(path.rpartition("/")[0] for path in paths)
    if not parents:
        return ""
    folder, number = parents.most_common(1)[0]
    return folder if number > 1 and 2 * number >= len(paths) else ""
