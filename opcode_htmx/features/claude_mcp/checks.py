"""Test MCP servers by connecting to them, and keep what came of it for the pages."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.config import mcp_definitions
from opcode_htmx.engines.claude.config.mcp_config import Definition
from opcode_htmx.features.claude_mcp import tool_lists
from opcode_htmx.features.claude_mcp.connections import (
    CONNECT_SECONDS,
    Connections,
    ServerStatus,
    Tool,
    settled,
)
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.sessions.configuration.service import ChosenProject

MOST_KEPT = 50
"""Projects whose last test is kept."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The status of a server at the Unix time `at`; `digest` is that of its definition."""

    status: ServerStatus
    at: float
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """The last test of each server of a project, by name."""

    servers: Mapping[str, Checked] = field(default_factory=dict)

    def of(self, definition: Definition) -> Checked | None:
        """The test of a server as it is defined now."""
        found = self.servers.get(definition.name)
        is_same = found and found.digest == mcp_definitions.digest(definition.content)
        return found if is_same else None


def _parse(content: Mapping[str, Any]) -> Check:
    return Check({name: _checked(each) for name, each in content["servers"].items()})


def _checked(given: Mapping[str, Any]) -> Checked:
    status = dict(given["status"])
    tools = tuple(Tool(**each) for each in status.pop("tools"))
    return Checked(ServerStatus(**status, tools=tools), float(given["at"]), str(given["digest"]))


SCHEMA = JsonFileSchema(1, _parse)


class Checks:
    """The tests, one file for each project."""

    def __init__(self, store: Path, connections: Connections) -> None:
        self._store = store
        self._connections = connections

    def latest(self, chosen: ChosenProject) -> Check:
        return SCHEMA.read(self._path(chosen)) or Check()

    def test(
        self, chosen: ChosenProject, definitions: Iterable[Definition], name: str | None = None
    ) -> Check:
        """Connect to the servers, or to wait for one only, and list its tools.

        Raises ServerRefused.
        """
        with self._connections.process(chosen) as claude:
            found = settled(claude, name, CONNECT_SECONDS)
        return self.keep(chosen, definitions, found, name)

    def keep(
        self,
        chosen: ChosenProject,
        definitions: Iterable[Definition],
        found: Iterable[ServerStatus],
        name: str | None = None,
    ) -> Check:
        """Record what Claude has just said about servers, or about one of them."""
        # by the place that Claude names: a project's server may have the name of the user's, and
        # what Claude did not start is not started here
        known: dict[tuple[str, str], Definition]
        known = {(each.scope, each.name): each for each in definitions}
        servers = dict(self.latest(chosen).servers) if name else {}
        for status in found:
            if status.status == "pending" and name not in (None, status.name):
                continue
            definition = known.get((status.scope, status.name))
            content = definition.content if definition else {}
            if name in (None, status.name) and status.status == "connected":
                status = replace(status, tools=self._described(chosen, content, status.tools))
            elif (before := servers.get(status.name)) and name != status.name:
                tools = before.status.tools if status.status == "connected" else ()
                status = replace(status, tools=tools)
            servers[status.name] = Checked(status, time.time(), mcp_definitions.digest(content))
        check = Check(servers)
        atomic_files.make_folder(self._store)
        SCHEMA.write(self._path(chosen), {"servers": {k: asdict(v) for k, v in servers.items()}})
        self._forget_old()
        return check

    def _described(
        self, chosen: ChosenProject, content: Mapping[str, Any], tools: tuple[Tool, ...]
    ) -> tuple[Tool, ...]:
        """The tools with what the server says about them, which Claude does not repeat."""
        folder, environment = self._connections.folder(chosen), self._connections.environment
        words = tool_lists.descriptions(content, folder, environment)
        return tuple(replace(t, description=words.get(t.name, t.description)) for t in tools)

    def _path(self, chosen: ChosenProject) -> Path:
        folder = str(chosen.folder) if chosen.folder and chosen.is_trusted else ""
        return self._store / f"{hashlib.sha256(folder.encode()).hexdigest()[:32]}.json"

    def _forget_old(self) -> None:
        files = sorted(self._store.glob("*.json"), key=lambda each: each.stat().st_mtime)
        for old in files[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
