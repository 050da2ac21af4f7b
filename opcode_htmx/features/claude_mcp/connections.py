"""Connect to MCP servers as Claude does, in a Claude without a session and in running ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import gevent

from opcode_htmx.engines.base import CapabilityCodec, Launcher, QueryOptions
from opcode_htmx.engines.claude.config import queries
from opcode_htmx.engines.requests import Query
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.runs.control import control_requests
from opcode_htmx.runs.control.control_requests import ControlRefused
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.queries import subcommand
from opcode_htmx.runs.queries.query_process import QueryFailed, QueryProcess
from opcode_htmx.runs.queries.subcommand import SubcommandFailed
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.configuration.service import ChosenProject

CONNECT_SECONDS = 30.0
"""For which a server is waited for: `npx` may download it first."""
POLL_SECONDS = 0.15
SUBCOMMAND_SECONDS = 60
LATE_SECONDS = 4.0
"""Within which a running Claude reads its changed files."""
_NOT_FOUND = "Server not found"

log = logging.getLogger(__name__)


class ServerRefused(Exception):
    """Claude has refused something about a server; the text says why."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of a server."""

    name: str
    description: str = ""
    is_read_only: bool = False
    is_destructive: bool = False


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What Claude says about a server."""

    name: str
    status: str
    """`connected`, `failed`, `needs-auth`, `pending` or `disabled`."""
    scope: str = ""
    error: str = ""
    version: str = ""
    tools: tuple[Tool, ...] = ()

    @property
    def words(self) -> str:
        """The status for people."""
        match self.status:
            case "connected":
                return "Connected"
            case "needs-auth":
                return "Needs sign-in"
            case "failed":
                return "Failed"
            case "pending":
                return "Does not answer yet"
            case "disabled":
                return "Off"
            case other:
                return other


class Connections:
    """Starts processes with the servers of a project, and asks the running ones."""

    def __init__(
        self, launcher: Launcher, codec: CapabilityCodec, runs: Supervisor, empty_folder: Path
    ) -> None:
        """`empty_folder` is one of ours, for the servers of the user alone."""
        self._launcher = launcher
        self._codec = codec
        self._runs = runs
        self._empty_folder = empty_folder

    @contextmanager
    def process(self, chosen: ChosenProject) -> Iterator[QueryProcess]:
        """A Claude that has started the servers; of an untrusted project, the user's alone.

        Raises ServerRefused, also instead of QueryFailed from within.
        """
        with self.open(chosen) as claude:
            try:
                yield claude
            except QueryFailed as error:
                raise ServerRefused(f"{error}.") from None

    def open(self, chosen: ChosenProject) -> QueryProcess:
        """The same, until it is closed."""
        atomic_files.make_folder(self._empty_folder)
        folder = self.folder(chosen)
        options = QueryOptions(project_settings=folder != self._empty_folder, servers=True)
        try:
            claude = QueryProcess(self._launcher.query(options), self._codec, folder)
            try:
                claude.initialize()
            except QueryFailed:
                claude.close()
                raise
        except QueryFailed as error:
            raise ServerRefused(f"Claude could not be asked: {error}.") from None
        return claude

    def folder(self, chosen: ChosenProject) -> Path:
        """Where the servers are started."""
        return (chosen.folder if chosen.is_trusted else None) or self._empty_folder

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment that servers are started with."""
        return self._launcher.subcommand().environment

    def subcommand(self, chosen: ChosenProject, *arguments: str, stdin: str = "") -> None:
        """Run `claude mcp …` in the project. Raises ServerRefused with what it prints.

        Secrets belong into `stdin`: other users of the computer can see arguments.
        """
        folder = chosen.folder or self._empty_folder
        atomic_files.make_folder(self._empty_folder)
        command = self._launcher.subcommand("mcp", *arguments)
        try:
            done = subcommand.run(command, folder, SUBCOMMAND_SECONDS, stdin=stdin)
        except SubcommandFailed as error:
            raise ServerRefused(str(error)) from None
        if done.status:
            said = f"{done.text}\n{done.errors}".strip() or "Claude refused it."
            raise ServerRefused(said[:500])

    def running(self, folder: Path | None) -> list[Run]:
        """The live runs that have the servers of a project; None: all."""
        return [
            run
            for run in self._runs.live()
            if not run.is_unused and (folder is None or Path(run.record.project_path) == folder)
        ]

    def statuses(self, run: Run) -> list[ServerStatus]:
        """What a run's Claude says. Raises ControlRefused, RunNotLive."""
        return statuses_of(control_requests.ask(run, queries.MCP_STATUS))

    def order(self, run: Run, query: Query) -> None:
        """Have a run's Claude do something with a server. Raises ServerRefused."""
        until = monotonic() + LATE_SECONDS
        while True:
            try:
                control_requests.ask(run, query, CONNECT_SECONDS)
                return
            except ControlRefused as error:
                # a server that was added a moment ago
                if _NOT_FOUND not in str(error) or monotonic() > until:
                    raise ServerRefused(str(error)) from None
            except RunNotLive as error:
                raise ServerRefused(str(error)) from None
            gevent.sleep(POLL_SECONDS)

    def reconnect_running(self, folder: Path | None, name: str) -> int:
        """Reconnect a server in the live runs that have it; in how many that worked."""
        count = 0
        for run in self.running(folder):
            try:
                if any(each.name == name for each in self.statuses(run)):
                    self.order(run, queries.mcp_reconnect(name))
                    count += 1
            except (ServerRefused, ControlRefused, RunNotLive) as error:
                log.info("could not reconnect %s in run %s: %s", name, run.id, error)
        return count


def settled(claude: QueryProcess, name: str | None, seconds: float) -> list[ServerStatus]:
    """The statuses once the server `name`, or all, are no longer pending. Raises QueryFailed."""
    until = monotonic() + seconds
    while True:
        found = statuses_of(claude.ask(queries.MCP_STATUS))
        waiting = [each for each in found if each.status == "pending" and name in (None, each.name)]
        if not waiting or monotonic() > until:
            return found
        gevent.sleep(POLL_SECONDS)


def statuses_of(answer: Mapping[str, Any]) -> list[ServerStatus]:
    """The servers in an answer to `mcp_status`."""
    found = answer.get("mcpServers")
    return [_status(each) for each in found if isinstance(each, dict)] if found else []


def _status(given: Mapping[str, Any]) -> ServerStatus:
    info, tools = given.get("serverInfo"), given.get("tools")
    return ServerStatus(
        name=str(given.get("name", "")),
        status=str(given.get("status", "")),
        scope=str(given.get("scope", "")),
        error=str(given.get("error") or ""),
        version=str(info.get("version") or "") if isinstance(info, dict) else "",
        tools=tuple(_tool(each) for each in tools or () if isinstance(each, dict))
        if isinstance(tools, list)
        else (),
    )


def _tool(given: Mapping[str, Any]) -> Tool:
    hints = given.get("annotations")
    hints = hints if isinstance(hints, dict) else {}
    return Tool(
        name=str(given.get("name", "")),
        description=str(given.get("description") or ""),
        is_read_only=hints.get("readOnly") is True,
        is_destructive=hints.get("destructive") is True,
    )
