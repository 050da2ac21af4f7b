"""Projects, their sessions, and what was said in them, from Claude's own files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from flask import Blueprint, Response

from opcode_htmx.api.schema import responses
from opcode_htmx.api.schema.envelope import JSON, answer
from opcode_htmx.api.service.run_service import RunService
from opcode_htmx.engines.claude.files import history, sessions, todo_files
from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.lib.cooperative import yield_to_loop
from opcode_htmx.runs.model import line_reader
from opcode_htmx.sessions.lookup import SessionLookup

PIECE = 64 * 1024
"""Bytes of a history that are sent at once; in between others have their turn."""


def blueprint(config_dir: Path, executions: RunService, lookup: SessionLookup) -> Blueprint:
    api = Blueprint("api_projects", __name__, url_prefix="/api")

    @api.get("/projects")
    def projects() -> Response:
        return answer([_project(each) for each in sessions.projects(config_dir)])

    @api.get("/projects/<project_id>/sessions")
    def project_sessions(project_id: str) -> Response:
        found = sessions.sessions(config_dir, project_id)
        listed = todo_files.of_sessions(config_dir, [each.id for each in found])
        return answer([_session(each, listed.get(each.id)) for each in found])

    @api.get("/sessions/<session_id>/history/<project_id>")
    def session_history(session_id: str, project_id: str) -> Response:
        path = lookup.history_file(project_id, executions.session_id(session_id))
        lineage = Lineage()
        if path is None:
            return Response(_in_pieces(iter(()), lineage), mimetype=JSON)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise sessions.SessionNotFound("This session has just been deleted.") from None
        values = history.values(file, line_reader.longest_line(), lineage)
        response = Response(_in_pieces(values, lineage), mimetype=JSON)
        response.call_on_close(file.close)
        return response

    return api


def _project(found: sessions.Project) -> responses.Project:
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


def _in_pieces(values: Iterator[bytes], lineage: Lineage) -> Iterator[bytes]:
    """The envelope around a list that is never in memory as a whole.

    Behind it stands what of it was taken back, which is known when all of it has been read.
    """
    yield b'{"success":true,"data":['
    piece, size, between = [], 0, b""
    for value in values:
        piece += [between, value]
        size += len(value) + 1
        between = b","
        if size >= PIECE:
            yield b"".join(piece)
            piece, size = [], 0
            yield_to_loop()
    left = json.dumps(list(lineage.left(lineage.leaf)))
    piece.append(b'],"taken_back":' + left.encode() + b',"error":null}')
    yield b"".join(piece)
