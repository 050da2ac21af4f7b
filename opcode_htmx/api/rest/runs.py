"""/api/sessions: start runs, list them, end them, read their output."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict
from typing import NoReturn

from flask import url_for
from werkzeug.exceptions import MethodNotAllowed

from opcode_htmx.api.rest.refusals import CANNOT_END, CANNOT_START, NOT_FOUND
from opcode_htmx.api.schema import responses
from opcode_htmx.api.schema.requests import Execution, OutputQuery
from opcode_htmx.api.service.output import read_page
from opcode_htmx.api.service.run_service import RunService, Started
from opcode_htmx.api.service.session_lines import Item, Kind
from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.usage import Usage
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint, Method
from opcode_htmx.web.server.base_path import base_path

TAG = "Sessions"
BY_SOCKET = "Send a POST with a JSON body to start a run here, or use the WebSocket at /ws/claude."
CANCEL_METHODS: tuple[Method, ...] = ("GET", "POST")


class RunsApi:
    def __init__(
        self, supervisor: Supervisor, service: RunService, monitor: ProcessMonitor
    ) -> None:
        self._supervisor = supervisor
        self._service = service
        self._monitor = monitor

    def endpoints(self) -> tuple[Endpoint, ...]:
        starting = (
            ("execute", "Begin a session", self.execute),
            ("continue", "Go on with the newest session of a project", self.continue_newest),
            ("resume", "Go on with a session", self.resume),
        )
        cancel = "/api/sessions/{either_id}/cancel"
        return (
            *(
                Endpoint(
                    method="POST",
                    path=f"/api/sessions/{verb}",
                    tag=TAG,
                    summary=summary,
                    handler=handler,
                    response=responses.StartedRun,
                    body=Execution,
                    refusals=CANNOT_START,
                    status=202,
                )
                for verb, summary, handler in starting
            ),
            # Clients of the earlier server may send a GET
            *(
                Endpoint(
                    method="GET",
                    path=f"/api/sessions/{verb}",
                    tag=TAG,
                    summary="Says how to start a run",
                    handler=refuse_get,
                    refused="Send a POST.",
                )
                for verb, _, _ in starting
            ),
            Endpoint(
                method="GET",
                path="/api/sessions/new",
                tag=TAG,
                summary="An id for a session that may begin",
                handler=new_id,
                response=str,
            ),
            Endpoint(
                method="GET",
                path="/api/sessions/running",
                tag=TAG,
                summary="The runs whose process is alive, newest first",
                handler=self.running,
                response=list[responses.RunningSession],
            ),
            *(
                Endpoint(
                    method=method,
                    path=cancel,
                    tag=TAG,
                    summary="End a run: answers when its processes are gone",
                    handler=self.cancel,
                    response=responses.CancelledRun,
                    refusals=CANNOT_END,
                    acts="scripts",
                )
                for method in CANCEL_METHODS
            ),
            Endpoint(
                method="GET",
                path="/api/sessions/{either_id}/output",
                tag=TAG,
                summary="What the runs of a session have written",
                handler=self.output,
                response=responses.Output,
                query=OutputQuery,
                refusals=NOT_FOUND,
            ),
        )

    def execute(self, body: Execution) -> responses.StartedRun:
        return _started(self._service.execute(body, detach=True, by=current_identity()))

    def continue_newest(self, body: Execution) -> responses.StartedRun:
        return _started(self._service.continue_newest(body, detach=True, by=current_identity()))

    def resume(self, body: Execution) -> responses.StartedRun:
        return _started(self._service.resume(body, detach=True, by=current_identity()))

    def running(self) -> list[responses.RunningSession]:
        live = self._supervisor.live()
        usages = self._monitor.usages([run.id for run in live])
        return [_running(run, usages[run.id]) for run in live]

    def cancel(self, either_id: str) -> responses.CancelledRun:
        session_id = self._service.session_id(either_id)
        ended = self._service.cancel(session_id, current_identity())
        run = ended or next(iter(self._supervisor.of_session(session_id)[-1:]), None)
        end = run.record.end if run else None
        return responses.CancelledRun(
            session_id=session_id,
            run_id=run.id if run else None,
            cancelled=ended is not None,
            outcome=end.outcome if end else None,
            message=end.cause if end else None if run else "Nothing has run here.",
        )

    def output(self, either_id: str, query: OutputQuery) -> responses.Output:
        session_id = self._service.session_id(either_id)
        page = read_page(
            self._supervisor, session_id, query.after, limit=query.limit, wait=query.wait
        )
        runs = self._supervisor.of_session(session_id)
        return responses.Output(
            session_id=session_id,
            lines=list(map(_line, yielding(page.lines))),
            cursor=str(page.cursor) if page.cursor else query.after,
            status=runs[-1].phase if runs else "ended",
            running=bool(runs and runs[-1].live),
        )


def refuse_get() -> NoReturn:
    """The answer to a GET that would start a run, as the reference implementation gives it."""
    raise MethodNotAllowed(["POST"], BY_SOCKET)


def new_id() -> str:
    """An id for a session; nothing runs yet."""
    return str(uuid.uuid4())


def _running(run: Run, usage: Usage) -> responses.RunningSession:
    """A run with the fields of the desktop app's registry, and those that it lacked."""
    record = run.record
    process = responses.ClaudeSessionProcess(session_id=record.session_id)
    return responses.RunningSession(
        run_id=run.id,
        process_type=responses.ProcessType(ClaudeSession=process),
        session_id=record.session_id,
        project_path=record.project_path,
        pid=record.pid,
        started_at=int(record.created_at),
        age_seconds=max(0, int(time.time() - record.created_at)),
        memory_bytes=usage.memory_bytes,
        cpu_percent=round(usage.cpu_percent, 1),
        processes=usage.processes,
        model=run.state.model or argv.option(record.argv, "--model") or None,
        task=next(iter(run.state.sent.values()), ""),
        status=run.phase,
        background_tasks=[
            responses.BackgroundTask(**asdict(task)) for task in run.state.still_running
        ],
        links=_links(record.session_id),
    )


def _links(session_id: str) -> responses.SessionLinks:
    return responses.SessionLinks(
        output=url_for("api.get_sessions_either_id_output", either_id=session_id),
        cancel=url_for("api.get_sessions_either_id_cancel", either_id=session_id),
        socket=f"{base_path()}/ws/claude",
    )


def _started(started: Started) -> responses.StartedRun:
    return responses.StartedRun(
        session_id=started.session_id,
        run_id=started.run.id,
        prompt_id=started.prompt_id,
        cursor=str(started.cursor),
        links=_links(started.session_id),
    )


def _line(item: Item) -> responses.OutputLine:
    return responses.OutputLine(
        run_id=item.run.id,
        stream="stdout" if item.kind is Kind.OUTPUT else "stderr",
        content=item.data.decode("utf-8", "replace"),
        cursor=str(item.cursor),
    )
