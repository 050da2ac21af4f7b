"""The pages for finding a session: projects, and the sessions of one."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import folder_names, sessions
from opcode_htmx.engines.claude.files.lists.project_lists import Project
from opcode_htmx.features.projects import session_list
from opcode_htmx.sessions.read_ahead import ReadAhead
from opcode_htmx.sessions.storage.past_times import PastTimes
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.session_flags import SessionFlags
from opcode_htmx.sessions.storage.trash import DeletedBatch, DeletedSession, Trash
from opcode_htmx.web.http.way_back import lists_sessions
from opcode_htmx.web.server.base_path import start_page


def blueprint(
    config_dir: Path,
    trash: Trash | None = None,
    flags: SessionFlags | None = None,
    positions: ReadPositions | None = None,
) -> Blueprint:
    """Pages `/projects` and `/projects/<project_id>` over the Claude config folder `config_dir`."""
    pages = Blueprint("projects", __name__)
    ahead = ReadAhead(config_dir)

    def deleted() -> DeletedSession | DeletedBatch | None:
        """What was deleted on the previous page, if it can be restored."""
        return trash.find(request.args.get("deleted", "")) if trash else None

    @pages.get("/projects")
    @lists_sessions("All projects")
    def index() -> str:
        found: Sequence[Project] = sessions.outline(config_dir)
        if positions:
            found = positions.newest_first(found, lambda each: each.last_activity)
        usual = usual_folder([project.path for project in found if project.path])
        page = render_template(
            "projects/projects.html",
            projects=found,
            usual=usual,
            deleted=deleted(),
        )
        ahead.begin()
        return page

    @pages.get("/projects/<project_id>")
    @lists_sessions("All sessions of this project")
    def project(project_id: str) -> str | BaseResponse:
        try:
            matching = sessions.projects_of(config_dir, project_id)
        except sessions.ProjectNotFound:
            if deleted() is None:
                raise
            # it went with its last session: the undo is on the page of what is left
            folder = folder_names.split(project_id)[0]
            where = url_for(".project", project_id=folder) if folder != project_id else start_page()
            return redirect(f"{where}?{urlencode({'deleted': request.args['deleted']})}")
        if len(matching) > 1:
            return render_template(
                "projects/choose_project.html", projects=matching, deleted=deleted()
            )
        past = positions.past() if positions else PastTimes()
        found = sessions.sessions(config_dir, project_id)
        listed = session_list.listed(found, flags.all() if flags else {}, request.args, past)
        if positions:
            positions.notice(past)
        return render_template(
            "projects/project.html", project=matching[0], listed=listed, deleted=deleted()
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
