"""Projects, their sessions, and the histories of these, from Claude's own files."""

from __future__ import annotations

from pathlib import Path

from flask import Response

from opcode_htmx.api.rest.refusals import NOT_FOUND
from opcode_htmx.api.schema import responses
from opcode_htmx.api.service.run_service import RunService
from opcode_htmx.engines.claude.files import history, sessions, todo_files
from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.engines.claude.files.lists.project_lists import Project
from opcode_htmx.runs.model import line_reader
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.envelope import JSON, streamed_list

TAG = "Projects"
SESSIONS = "Sessions"


class ProjectsApi:
    def __init__(self, config_dir: Path, runs: RunService, lookup: SessionLookup) -> None:
        self._config_dir = config_dir
        self._runs = runs
        self._lookup = lookup

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/projects",
                tag=TAG,
                summary="All projects, newest first",
                handler=self.projects,
                response=list[responses.Project],
            ),
            Endpoint(
                method="GET",
                path="/api/projects/{project_id}/sessions",
                tag=TAG,
                summary="The sessions of a project, newest first",
                handler=self.sessions,
                response=list[responses.Session],
                refusals=NOT_FOUND,
            ),
            Endpoint(
                method="GET",
                path="/api/sessions/{session_id}/history/{project_id}",
                tag=SESSIONS,
                summary="The lines of a session's history",
                handler=self.history,
                response=list[responses.JsonValue],
                details={"taken_back": {"type": "array", "items": {"type": "string"}}},
                refusals=NOT_FOUND,
                description="As Claude has written them, one value a line. The answer is "
                'streamed. A line that is no JSON becomes {"type": "raw", "line": …}. '
                "“taken_back” has the uuids of the lines that Claude does not go on from: they "
                "were rewound or edited, or another branch was gone on with. The id of a run "
                "finds its session, too.",
            ),
        )

    def projects(self) -> list[responses.Project]:
        return [_project(each) for each in sessions.projects(self._config_dir)]

    def sessions(self, project_id: str) -> list[responses.Session]:
        found = sessions.sessions(self._config_dir, project_id)
        todos = todo_files.of_sessions(self._config_dir, [each.id for each in found])
        return [_session(each, todos.get(each.id)) for each in found]

    def history(self, session_id: str, project_id: str) -> Response:
        path = self._lookup.history_file(project_id, self._runs.session_id(session_id))
        lineage = Lineage()

        def taken_back() -> dict[str, object]:
            """Known when the whole history has been read."""
            return {"taken_back": list(lineage.left(lineage.leaf))}

        if path is None:
            return Response(streamed_list((), taken_back), mimetype=JSON)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise sessions.SessionNotFound("This session has just been deleted.") from None
        values = history.values(file, line_reader.longest_line(), lineage)
        response = Response(streamed_list(values, taken_back), mimetype=JSON)
        response.call_on_close(file.close)
        return response


def _project(found: Project) -> responses.Project:
    return responses.Project(
        id=found.id,
        path=found.path or found.id,
        sessions=list(found.session_ids),
        created_at=int(found.created_at),
        most_recent_session=int(found.last_activity),
    )


def _session(found: sessions.SessionSummary, todos: object) -> responses.Session:
    return responses.Session(
        id=found.id,
        project_id=found.project_id,
        project_path=found.project_path or found.project_id,
        todo_data=todos,
        created_at=int(found.started_at),
        first_message=found.first_prompt or None,
        message_timestamp=found.prompted_at,
    )
