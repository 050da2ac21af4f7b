"""The command dialect of the reference implementation: commands in, the lines of sessions out.

Each session that a client has started or attached to is followed by a greenlet of its own, which
reads at the client's pace; every message names its session.
"""

from __future__ import annotations

from typing import Any

import gevent
from simple_websocket import ConnectionClosed

from opcode_htmx.api.schema.requests import (
    COMMANDS,
    Attach,
    Cancel,
    Command,
    Elicitation,
    FollowUp,
    OfSession,
    Permission,
    Start,
)
from opcode_htmx.api.service.run_service import RunService, Started, end_of
from opcode_htmx.api.service.session_lines import Cursor, SessionLines
from opcode_htmx.api.sockets.incoming import object_in, one_of
from opcode_htmx.api.sockets.json_socket import JsonWebSocket, error_message
from opcode_htmx.api.sockets.run_events import RunEventEncoder
from opcode_htmx.api.sockets.stream_lines import stream_lines
from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.runs.model.lifecycle import OPEN_TURN
from opcode_htmx.runs.policies.viewer_presence import ViewerPresence
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.web.http.errors import details_of
from opcode_htmx.web.rest.invalid_request import InvalidRequest
from opcode_htmx.web.rest.validation import shown

REPEATED = ("command_type", "prompt_id")
"""The fields of a refused command that are repeated in the error."""


def is_command(text: str | bytes) -> bool:
    """Whether a first message is in this dialect; its errors are reported later."""
    try:
        return "command_type" in object_in(text)
    except InvalidRequest:
        return False


class CommandSocket:
    """One client and the sessions that it follows."""

    def __init__(
        self,
        wire: JsonWebSocket,
        runs: RunService,
        supervisor: Supervisor,
        presence: ViewerPresence,
        refusals: tuple[type[Exception], ...],
    ) -> None:
        """`refusals` are the exceptions whose text is for the client."""
        self._wire = wire
        self._runs = runs
        self._supervisor = supervisor
        self._presence = presence
        self._refusals: tuple[type[Exception], ...] = refusals
        self._followers: dict[str, gevent.Greenlet[..., None]] = {}
        self._encoders: dict[str, RunEventEncoder] = {}
        self._newest = ""

    def serve(self, first: str | bytes) -> None:
        """Carry out `first` and the messages after it, until the client goes."""
        message: str | bytes = first
        try:
            while True:
                self._handle(message)
                message = self._wire.receive()
        except ConnectionClosed:
            pass
        finally:
            gevent.killall(list(self._followers.values()))

    def _handle(self, text: str | bytes) -> None:
        about: dict[str, Any] = {"session_id": None}
        try:
            message = object_in(text)
            given = {name: shown(it) for name, it in message.items() if isinstance(it, str)}
            about = {name: given[name] for name in REPEATED if name in given}
            about["session_id"] = given.get("session_id") or self._newest or None
            self._carry_out(one_of(COMMANDS, "command_type", message))
        except self._refusals as error:
            self._wire.send(**error_message(str(error), **about, **details_of(error)))

    def _carry_out(self, command: Command) -> None:
        match command:
            case Start():
                self._start(command)
            case Attach():
                session_id = self._runs.session_id(command.session_id)
                cursor = Cursor.parse(command.cursor) if command.cursor else None
                self._follow(session_id, SessionLines(self._supervisor, session_id, cursor))
            case FollowUp():
                session_id = self._session(command)
                started = self._runs.prompt(
                    session_id, command.prompt, command.prompt_id, command, self._wire.by
                )
                self._confirm_start(started, "Sending the prompt...")
            case Cancel():
                self._cancel(self._session(command))
            case Permission():
                self._answer_ask(self._session(command), command)
            case Elicitation():
                run = self._runs.newest_run(self._session(command))
                run.answer_elicitation(
                    command.request_id, command.action, command.content, by=self._wire.by
                )

    def _session(self, command: OfSession) -> str:
        if command.session_id:
            return self._runs.session_id(command.session_id)
        if not self._newest:
            raise InvalidRequest("Name the session in “session_id”: this socket has begun none.")
        return self._newest

    # --- commands ---------------------------------------------------------------------------

    def _start(self, command: Start) -> None:
        begin = {
            "execute": self._runs.execute,
            "continue": self._runs.continue_newest,
            "resume": self._runs.resume,
        }[command.command_type]
        self._confirm_start(
            begin(command, detach=False, by=self._wire.by), "Starting Claude execution..."
        )

    def _confirm_start(self, started: Started, words: str) -> None:
        session_id = started.session_id
        self._wire.send(
            type="start",
            message=words,
            session_id=session_id,
            run_id=started.run.id,
            prompt_id=started.prompt_id,
            cursor=str(started.cursor),
        )
        if session_id in self._followers:
            self._newest = session_id
            self._encoders[session_id].prompted()
        else:
            lines = SessionLines(self._supervisor, session_id, started.cursor)
            self._follow(session_id, lines, prompted=True)

    def _cancel(self, session_id: str) -> None:
        run = self._runs.newest_run(session_id)
        if session_id not in self._followers:
            lines = SessionLines(self._supervisor, session_id, end_of(run))
            self._follow(session_id, lines)
        run.stop(by=self._wire.by)

    def _answer_ask(self, session_id: str, answer: Permission) -> None:
        run = self._runs.newest_run(session_id)
        ask = run.open_ask(answer.request_id)
        if answer.decision == "deny":
            run.deny(ask.request_id, answer.reason or encoder.DENIED, by=self._wire.by)
            return
        numbers = answer.suggestions or []
        if any(number >= len(ask.suggestions) for number in numbers):
            raise InvalidRequest("Claude has not suggested that.")
        changes = dict(answer.updated_input or {})
        if answer.answers:
            changes["answers"] = answer.answers
        if answer.annotations:
            changes["annotations"] = {
                question: {"notes": each.notes} for question, each in answer.annotations.items()
            }
        self._supervisor.allow(
            run,
            ask.request_id,
            changes,
            [ask.suggestions[number] for number in numbers],
            by=self._wire.by,
        )

    # --- following --------------------------------------------------------------------------

    def _follow(self, session_id: str, lines: SessionLines, *, prompted: bool = False) -> None:
        runs = self._supervisor.of_session(session_id)
        turn_open = prompted or bool(runs and runs[-1].phase in OPEN_TURN)
        events = self._encoders[session_id] = RunEventEncoder(session_id, turn_open=turn_open)
        self._newest = session_id
        before = self._followers.pop(session_id, None)
        if before:
            before.kill()
        self._followers[session_id] = gevent.spawn(self._stream, session_id, lines, events)

    def _stream(self, session_id: str, lines: SessionLines, events: RunEventEncoder) -> None:
        try:
            with self._presence.viewing(session_id):
                stream_lines(self._wire, lines, events.frames)  # until `serve` kills it
        except ConnectionClosed:
            pass  # the client reconnects with its cursor
        finally:
            lines.close()
