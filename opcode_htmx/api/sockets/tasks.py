"""The task dialect on a socket: one prompt in, Claude's own lines out, the outcome as a close code.

A task is a session of its own. It ends with its turn, with its client, or at its time limit.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
from simple_websocket import ConnectionClosed

from opcode_htmx.api.schema.requests import Task
from opcode_htmx.api.service.deferred_rename import DeferredRename
from opcode_htmx.api.service.session_lines import Item, Kind, SessionLines
from opcode_htmx.api.service.trust import decision
from opcode_htmx.api.sockets.incoming import value_in
from opcode_htmx.api.sockets.json_socket import (
    LAST_ERRORS,
    JsonWebSocket,
    error_message,
    text_frame,
)
from opcode_htmx.api.sockets.stream_lines import stream_lines
from opcode_htmx.engines.messages import Message, TurnResult
from opcode_htmx.engines.trust import TrustNotRecorded
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.identity import SYSTEM, Identity
from opcode_htmx.lib.surrogates import json_bytes
from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.policies.viewer_presence import in_words
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.submit import PromptSubmitter
from opcode_htmx.web.http.errors import details_of
from opcode_htmx.web.rest.invalid_request import InvalidRequest
from opcode_htmx.web.rest.validation import validated
from opcode_htmx.web.websocket.registry import INTERNAL_ERROR, POLICY_VIOLATION

log = logging.getLogger(__name__)

DONE = 1000
ONE_AT_A_TIME = "This socket has its task. Open another one for the next."


@dataclass(frozen=True, slots=True)
class TaskServices:
    """Services and settings that all tasks share."""

    supervisor: Supervisor
    submitter: PromptSubmitter
    rename: DeferredRename
    folder: Path
    """Where tasks work."""
    time_limit: float
    """In seconds."""


class TaskSocket:
    """One client and its task."""

    def __init__(self, wire: JsonWebSocket, services: TaskServices) -> None:
        self._wire = wire
        self._services = services
        self._failure = ""
        """The error at the end of the turn, if it failed."""
        self._over = False

    def serve(self, first: str | bytes) -> None:
        """Carry out the task in `first`, and close with its outcome."""
        try:
            task = validated(Task, value_in(first))
        except InvalidRequest as error:
            return self._wire.close_with(POLICY_VIOLATION, str(error))
        try:
            run = self._start(task)
        except TrustNeeded as error:
            self._error(str(error), **details_of(error))
            return self._wire.close(POLICY_VIOLATION)
        except (CannotStart, DiskFull, RunNotLive, TrustNotRecorded) as error:
            return self._wire.close_with(INTERNAL_ERROR, str(error))
        limit = gevent.spawn_later(self._services.time_limit, self._time_out, run)
        reader = gevent.spawn(self._read, run)
        try:
            with self._services.supervisor.viewers.viewing(run.record.session_id):
                self._stream(run)
        except ConnectionClosed:
            pass
        finally:
            gevent.killall([limit, reader])
            _end(
                run, Outcome.CANCELLED, "Ended, because the task's client has gone.", self._wire.by
            )
        return None

    def _start(self, task: Task) -> Run:
        session_id = str(uuid.uuid4())
        run = self._services.submitter.submit(
            session_id,
            self._services.folder,
            str(uuid.uuid4()),
            task.prompt,
            # A run that outlives a server that was killed has no client any more
            options={"keep_running": False},
            trust=decision(task),
            by=self._wire.by,
        )
        log.info("task %s is session %s", task.meta, session_id)
        self._services.rename.schedule(run, task.meta)
        return run

    def _read(self, run: Run) -> None:
        """Refuse messages after the task, and end the run when the client goes."""
        try:
            while True:
                self._wire.receive()
                self._error(ONE_AT_A_TIME)
        except ConnectionClosed:
            _end(
                run, Outcome.CANCELLED, "Ended, because the task's client has gone.", self._wire.by
            )
            self._services.supervisor.written(run.record.session_id).notify()

    def _time_out(self, run: Run) -> None:
        words = in_words(self._services.time_limit)
        _end(run, Outcome.TIMED_OUT, f"Ended, because a task may take {words} at most.", SYSTEM)

    # --- to the client ----------------------------------------------------------------------

    def _stream(self, run: Run) -> None:
        lines = SessionLines(self._services.supervisor, run.record.session_id)

        def goes_on() -> bool:
            run.fold_new_lines()
            if run.phase is Phase.IDLE and not run.state.background.agents:
                _end(run, Outcome.COMPLETED, "The task is done.", SYSTEM)
            return not self._over

        def frames(item: Item) -> Iterator[bytes]:
            if item.run is run:
                yield from self._frames(item)

        with contextlib.closing(lines):
            stream_lines(self._wire, lines, frames, goes_on)
        end = run.record.end
        if end is None or not self._wire.open:
            return
        if end.outcome is not Outcome.COMPLETED:
            self._failure = end.cause
        if self._failure:
            last = run.folder.error_lines(LAST_ERRORS)
            self._error(self._failure, outcome=end.outcome, stderr=last)
        self._wire.close(INTERNAL_ERROR if self._failure else DONE)

    def _frames(self, item: Item) -> Iterator[bytes]:
        match item.kind:
            case Kind.OUTPUT:
                yield text_frame(item.data.decode("utf-8", "replace").encode())
                if b'"result"' in item.data:
                    self._note_result(item.message)
            case Kind.ERROR:
                yield _error_frame(item.data.decode("utf-8", "replace"), stream="stderr")
            case Kind.END:
                self._over = True

    def _note_result(self, message: Message) -> None:
        if isinstance(message, TurnResult):
            text = message.text or f"The turn ended with an error: {message.subtype}."
            self._failure = text if message.is_error else ""

    def _error(self, sentence: str, **more: Any) -> None:
        self._wire.write((_error_frame(sentence, **more),))


def _error_frame(sentence: str, **more: Any) -> bytes:
    return text_frame(json_bytes(error_message(sentence, "error", **more)))


def _end(run: Run, outcome: Outcome, cause: str, by: Identity) -> None:
    """End a run that has not ended; the first cause is the one that is recorded."""
    if run.live:
        try:
            run.stop(outcome, cause, by=by)
        except RunNotLive:
            return
