"""Sessions and runs of the real CLI that wait for a prompt, for one test after the other.

A start of the CLI takes most of a second of a CPU. So a test that needs a session, whatever was
said in it, takes one that an earlier test has left idle: with the usual options, and with nothing
in its composer, its queue or its list of attached files. If there is none, another one is begun.
"""

from __future__ import annotations

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from tests.support.cli.sessions import Session
from tests.support.cli.supervision import Supervision, idle
from tests.support.pages import dom
from tests.support.server import Server

EMPTY = ("prompt", "attached", "queue")
"""The ids of the page's parts that hold what a test has left."""


class IdleSessions:
    """The idle sessions of one server, all in one project."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: dict[str, tuple[str, ...]] = {}

    def take(self, beside: str = "") -> str:
        """The address of the page of a session that waits for a prompt; another one than this."""
        for address, usual in self._idle.items():
            if address != beside and self._state(address) == usual:
                return address
        begun = Session(self._server, "Hello")
        self._idle[begun.address] = self._state(begun.address)
        return begun.address

    def _state(self, address: str) -> tuple[str, ...]:
        page = dom.parse(self._server.get(address).text)
        found = [page.find(each) for each in ("status", "in-force", *EMPTY)]
        return tuple(each.text.strip() if each else "" for each in found)


class IdleRuns:
    """The idle runs of one supervision in the test's own process."""

    def __init__(self, supervision: Supervision) -> None:
        self._supervision = supervision
        self._idle: list[str] = []

    def take(self) -> Run:
        """A run that waits for a prompt."""
        for run in map(self._supervision.supervisor.get, self._idle):
            state = run.state
            usual = state.permission_mode == "default" and not (state.effort or state.waiting)
            if usual and run.live and run.phase is Phase.IDLE:
                return run
        run = idle(self._supervision.prompt("Hello"))
        self._idle.append(run.id)
        return run

    def prompt(self, run: Run, text: str) -> None:
        """Send a prompt to a run that is idle, which takes it."""
        assert self._supervision.prompt(text, run.record.session_id) is run
