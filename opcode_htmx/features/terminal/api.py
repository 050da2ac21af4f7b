"""/api/terminals: list, start, type into, end and remove terminals, for programs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from opcode_htmx.features.terminal import schema
from opcode_htmx.sessions.terminals.services import TerminalServices
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint

UNKNOWN = "There is no such terminal, or the server has none."
OVER = "The terminal has ended."


class TerminalsApi:
    """The endpoints of terminals."""

    def __init__(self, services: TerminalServices, workspace: Workspace) -> None:
        self._services = services
        self._terminals = services.terminals
        self._workspace = workspace

    def endpoints(self) -> Iterable[Endpoint]:
        declared = partial(Endpoint, tag="Terminals")
        off = {404: "The server has no terminal: OPCODE_TERMINAL is off."}
        yield declared(
            method="GET",
            path="/api/terminals",
            summary="The terminals of this machine",
            handler=self._list,
            response=schema.TerminalList,
            refusals=off,
        )
        yield declared(
            method="POST",
            path="/api/terminals",
            summary="Start a terminal; its socket is /terminal/{id}/live",
            handler=self._start,
            body=schema.NewTerminal,
            response=schema.TerminalModel,
            status=201,
            refusals={**off, 503: "It could not be started."},
        )
        yield declared(
            method="POST",
            path="/api/terminals/{terminal_id}/type",
            summary="Type into a terminal",
            handler=self._type,
            body=schema.TypedText,
            refusals={404: UNKNOWN, 409: OVER},
        )
        yield declared(
            method="POST",
            path="/api/terminals/{terminal_id}/end",
            summary="End a terminal with all of its processes",
            handler=self._end,
            response=schema.TerminalModel,
            refusals={404: UNKNOWN, 409: OVER},
        )
        yield declared(
            method="DELETE",
            path="/api/terminals/{terminal_id}",
            summary="Remove an ended terminal, with its output",
            handler=self._remove,
            refusals={404: UNKNOWN, 409: "The terminal still runs."},
        )

    def _list(self) -> schema.TerminalList:
        self._allow()
        found = map(schema.TerminalModel.of, self._terminals.all())
        return schema.TerminalList(terminals=list(found))

    def _start(self, body: schema.NewTerminal) -> schema.TerminalModel:
        self._allow()
        folder = self._workspace.working_folder(body.folder)
        size = body.columns, body.rows
        started = self._services.start(body.program, folder, current_identity(), size=size)
        return schema.TerminalModel.of(started)

    def _type(self, terminal_id: str, body: schema.TypedText) -> None:
        self._allow()
        self._terminals.type(terminal_id, body.text.encode("utf-8", "replace"))

    def _end(self, terminal_id: str) -> schema.TerminalModel:
        self._allow()
        return schema.TerminalModel.of(self._services.end(terminal_id, current_identity()))

    def _remove(self, terminal_id: str) -> None:
        self._allow()
        self._services.remove(terminal_id, current_identity())

    def _allow(self) -> None:
        self._services.allow(current_identity())
