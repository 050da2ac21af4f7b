"""Runs over REST: start them, list them, end them, read what they write."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for
from pydantic import ValidationError
from werkzeug.exceptions import BadRequest, MethodNotAllowed, UnsupportedMediaType
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.api.schema.envelope import json_body
from opcode_htmx.api.schema.requests import Execution, OutputQuery, complaint
from opcode_htmx.api.service.run_service import RunService, Started
from opcode_htmx.api.sockets.session_lines import (
    Cursor,
    Item,
    Kind,
    SessionLines,
)
from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.lib.cooperative import TimeSlicer
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor, Usage
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.web.http.forms import BadForm
from opcode_htmx.web.origin.fetch_metadata import acts

BY_SOCKET = "Send a POST with a JSON body to start a run here, or use the WebSocket at /ws/claude."
MAX_OUTPUT_BYTES = 4 * 1024 * 1024
"""Of lines in one answer: what is more comes with the next cursor."""

_STREAMS = {Kind.OUTPUT: "stdout", Kind.ERROR: "stderr"}


def blueprint(supervisor: Supervisor, executions: RunService, census: ProcessMonitor) -> Blueprint:
    api = Blueprint("api_sessions", __name__, url_prefix="/api/sessions")

    @api.get("/execute")
    @api.get("/continue")
    @api.get("/resume")
    def documented() -> BaseResponse:
        """The answer to a GET that would start a run, as the reference implementation gives it."""
        raise MethodNotAllowed(["POST"], BY_SOCKET)

    @api.post("/execute")
    def execute() -> tuple[Response, int]:
        return _accepted(executions.execute(_body(), detach=True))

    @api.post("/continue")
    def continue_newest() -> tuple[Response, int]:
        return _accepted(executions.continue_newest(_body(), detach=True))

    @api.post("/resume")
    def resume() -> tuple[Response, int]:
        return _accepted(executions.resume(_body(), detach=True))

    @api.get("/new")
    def new() -> Response:
        """An id for a session that may begin; nothing runs yet."""
        return _data(str(uuid.uuid4()))

    @api.get("/running")
    def running() -> Response:
        live = supervisor.live()
        usages = census.usages([run.id for run in live])
        return _data([described(run, usages[run.id]) for run in live])

    @api.route("/<either_id>/cancel", methods=["GET", "POST"])
    @acts(by="scripts")
    def cancel(either_id: str) -> Response:
        session_id = executions.session_id(either_id)
        ended = executions.cancel(session_id)
        run = ended or next(iter(supervisor.of_session(session_id)[-1:]), None)
        return _data(
            {
                "session_id": session_id,
                "run_id": run.id if run else None,
                "cancelled": ended is not None,
                **(_end_of(run) if run else {"outcome": None, "message": "Nothing has run here."}),
            }
        )

    @api.get("/<either_id>/output")
    def output(either_id: str) -> Response:
        session_id = executions.session_id(either_id)
        try:
            query = OutputQuery.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise BadForm(complaint(error)) from error
        lines, cursor = _lines_after(supervisor, session_id, query)
        runs = supervisor.of_session(session_id)
        return _data(
            {
                "session_id": session_id,
                "lines": lines,
                "cursor": str(cursor) if cursor else query.after,
                "status": str(runs[-1].phase) if runs else "ended",
                "running": bool(runs and runs[-1].live),
            }
        )

    return api


def described(run: Run, usage: Usage) -> dict[str, Any]:
    """A run as the desktop app's registry has it, and what it lacked."""
    record = run.record
    return {
        "run_id": run.id,
        "process_type": {"ClaudeSession": {"session_id": record.session_id}},
        "session_id": record.session_id,
        "project_path": record.project_path,
        "pid": record.pid,
        "started_at": int(record.created_at),
        "age_seconds": max(0, int(time.time() - record.created_at)),
        "memory_bytes": usage.memory_bytes,
        "cpu_percent": round(usage.cpu_percent, 1),
        "processes": usage.processes,
        "model": run.state.model or argv.option(record.argv, "--model") or None,
        "task": next(iter(run.state.sent.values()), ""),
        "status": str(run.phase),
        "background_tasks": [asdict(task) for task in run.state.still_running],
        "links": links(record.session_id),
    }


def links(session_id: str) -> dict[str, str]:
    """Where a session's output is read, and where its run is ended."""
    return {
        "output": url_for("api_sessions.output", either_id=session_id),
        "cancel": url_for("api_sessions.cancel", either_id=session_id),
        "socket": "/ws/claude",
    }


def _accepted(started: Started) -> tuple[Response, int]:
    answer = _data(
        {
            "session_id": started.session_id,
            "run_id": started.run.id,
            "prompt_id": started.prompt_id,
            "cursor": str(started.cursor),
            "links": links(started.session_id),
        }
    )
    return answer, 202


def _body() -> Execution:
    """Raises BadForm, BadRequest, UnsupportedMediaType."""
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON, with the header Content-Type: application/json.")
    body = json_body()
    if not isinstance(body, dict):
        raise BadRequest("The body is not a JSON object.")
    body.pop("command_type", None)  # which the address says
    try:
        return Execution.model_validate(body)
    except ValidationError as error:
        raise BadForm(complaint(error)) from error


def _data(data: Any) -> Response:
    return jsonify(success=True, data=data, error=None)


def _end_of(run: Run) -> dict[str, Any]:
    end = run.record.end
    return {"outcome": end.outcome if end else None, "message": end.cause if end else None}


def _lines_after(
    supervisor: Supervisor, session_id: str, query: OutputQuery
) -> tuple[list[dict[str, Any]], Cursor | None]:
    """The lines behind a cursor, and the place behind them; waits for the first if asked to."""
    reader = SessionLines(
        supervisor, session_id, Cursor.parse(query.after) if query.after else None
    )
    deadline = time.monotonic() + query.wait
    try:
        while True:
            seen = reader.version
            found, cursor = _some(reader, query.limit)
            rest = deadline - time.monotonic()
            if found or rest <= 0 or not _more_may_come(supervisor, session_id):
                return found, cursor
            reader.wait(seen, rest)
    finally:
        reader.close()


def _some(reader: SessionLines, limit: int) -> tuple[list[dict[str, Any]], Cursor | None]:
    found: list[dict[str, Any]] = []
    size = 0
    cursor = reader.cursor
    pace = TimeSlicer()
    for item in reader.read():
        cursor = item.cursor
        if item.kind is Kind.END:
            continue
        found.append(_line(item))
        size += len(item.data)
        if len(found) >= limit or size >= MAX_OUTPUT_BYTES:
            break
        pace.step()
    return found, cursor


def _line(item: Item) -> dict[str, Any]:
    return {
        "run_id": item.run.id,
        "stream": _STREAMS[item.kind],
        "content": item.data.decode("utf-8", "replace"),
        "cursor": str(item.cursor),
    }


def _more_may_come(supervisor: Supervisor, session_id: str) -> bool:
    return any(run.live for run in supervisor.of_session(session_id))
