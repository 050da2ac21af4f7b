"""Add, change and remove MCP servers, and choose which of a project's are used.

Claude's state file is written by its own subcommands only: Claude writes it all the time. A
project's `.mcp.json` is edited like every other file of a person.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import gevent

from opcode_htmx.engines.claude.config import json_text, mcp_config, mcp_definitions, queries
from opcode_htmx.engines.claude.config.mcp_config import Choice, Definition, Scope
from opcode_htmx.engines.claude.config.mcp_definitions import InvalidServer
from opcode_htmx.engines.claude.config.scopes import SHARED_MODE
from opcode_htmx.engines.claude.config.scopes import Scope as SettingsScope
from opcode_htmx.features.claude_mcp.connections import (
    CONNECT_SECONDS,
    POLL_SECONDS,
    Connections,
    ServerRefused,
    settled,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.versioned_files import Place
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.queries.query_process import QueryFailed
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration

SCOPES: Mapping[Scope, str] = {
    "user": "For all your projects",
    "project": "For everyone in this project (.mcp.json)",
    "local": "For you, in this project",
}
WRITE_SECONDS = 5.0
_CHOICES = {"approved": "enabledMcpjsonServers", "rejected": "disabledMcpjsonServers"}


class DefinitionChanged(Exception):
    """A server is defined differently from when the change began; `current` has no secrets."""

    def __init__(self, current: Definition | None) -> None:
        super().__init__("This server has changed since you opened it.")
        self.current = current


@dataclass(frozen=True, slots=True)
class McpServers:
    """The servers of the user and of projects. Each act is logged with who did it."""

    configuration: Configuration
    connections: Connections
    lock: Path
    """A file that one change holds at a time."""

    def all(self, chosen: ChosenProject) -> list[Definition]:
        """The servers of the project, followed by those of the user."""
        config = self.configuration
        return mcp_config.definitions(config.state_file, config.workspace.config_dir, chosen.folder)

    def get(self, chosen: ChosenProject, scope: str, name: str) -> Definition | None:
        found = self.all(chosen)
        return next((each for each in found if (each.scope, each.name) == (scope, name)), None)

    def scopes(self, chosen: ChosenProject) -> dict[Scope, str]:
        """Where a server may stand, in words."""
        return {s: words for s, words in SCOPES.items() if chosen.folder or s == "user"}

    def add(
        self,
        chosen: ChosenProject,
        scope: Scope,
        name: str,
        content: Mapping[str, Any],
        by: Identity,
    ) -> None:
        """Raises InvalidServer, ServerRefused where there is one with this name."""
        mcp_definitions.check_name(name)
        mcp_definitions.check(content)
        whole = mcp_definitions.revealed(content, {})
        if self.get(chosen, scope, name):
            raise ServerRefused(f"There is a server “{name}” in this place already.")
        with self._writing():
            self._write(chosen, scope, name, whole, by)
        log_act(by, "mcp.add", server=name, scope=scope)

    def replace(
        self,
        chosen: ChosenProject,
        scope: Scope,
        name: str,
        content: Mapping[str, Any],
        based_on: str,
        by: Identity,
    ) -> None:
        """Change a server whose digest is `based_on`; what is hidden keeps its value.

        Raises DefinitionChanged, InvalidServer, ServerRefused.
        """
        with self._writing():
            before = self.get(chosen, scope, name)
            if before is None or mcp_definitions.digest(before.content) != based_on:
                raise DefinitionChanged(before)
            whole = mcp_definitions.revealed(content, before.content)
            mcp_definitions.check(whole)
            if scope == "project":
                self._write(chosen, scope, name, whole, by)
            else:
                self._remove(chosen, scope, name, by)
                try:
                    self._write(chosen, scope, name, whole, by)
                except ServerRefused:
                    self._write(chosen, scope, name, before.content, by)
                    raise
        log_act(by, "mcp.change", server=name, scope=scope)

    def remove(self, chosen: ChosenProject, scope: Scope, name: str, by: Identity) -> None:
        """Raises ServerRefused."""
        with self._writing():
            self._remove(chosen, scope, name, by)
        log_act(by, "mcp.remove", server=name, scope=scope)

    def choose(self, chosen: ChosenProject, name: str, choice: Choice, by: Identity) -> None:
        """Approve or reject a server of the project's `.mcp.json`, or leave it open again."""
        if chosen.folder is None:
            raise InvalidServer("Choose a project first.")
        place = self.configuration.settings_places(chosen)[SettingsScope.LOCAL]
        found = self.configuration.files.read(place)
        text = found.text
        for each, key in _CHOICES.items():
            names = json_text.value_at(json_text.parse(text), (key,))
            kept = [n for n in names if n != name] if isinstance(names, list) else []
            if each == choice:
                kept.append(name)
            changes = kept != (names if isinstance(names, list) else [])
            if changes and kept:
                text = json_text.with_value(text, (key,), kept)
            elif changes:
                text = json_text.without(text, (key,))
        if text != found.text:
            self.configuration.save(place, text, found.revision, by)
        log_act(by, "mcp.choose", server=name, choice=choice)

    def reset_choices(self, chosen: ChosenProject, by: Identity) -> None:
        """Forget which of the project's servers are approved or rejected. Raises ServerRefused."""
        if chosen.folder is None:
            raise InvalidServer("Choose a project first.")
        self.connections.subcommand(chosen, "reset-project-choices")
        self.configuration.reports.forget()
        log_act(by, "mcp.reset_choices", project=str(chosen.folder))

    def switch(self, chosen: ChosenProject, name: str, on: bool, by: Identity) -> None:
        """Turn a server on or off in the project, also in its running sessions.

        Raises ServerRefused.
        """
        if chosen.folder is None or not chosen.is_trusted:
            raise ServerRefused("Servers are turned on and off in a project that you trust.")
        query = queries.mcp_toggle(name, on)
        with self.connections.process(chosen) as claude:
            try:
                claude.ask(query, CONNECT_SECONDS)
            except QueryFailed:
                # the server was turned on, and only its connection failed
                if not on:
                    raise
            self._wait_for_switch(chosen, name, on)
        for run in self.connections.running(chosen.folder):
            try:
                self.connections.order(run, query)
            except ServerRefused:
                continue  # it began without this server
        log_act(by, "mcp.turn_on" if on else "mcp.turn_off", server=name)

    def sign_out(self, chosen: ChosenProject, name: str, by: Identity) -> int:
        """Forget the login at a server; returns how many running sessions reconnect to it."""
        with self.connections.process(chosen) as claude:
            settled(claude, name, CONNECT_SECONDS)
            claude.ask(queries.mcp_clear_auth(name))
        log_act(by, "mcp.sign_out", server=name)
        return self.connections.reconnect_running(None, name)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        atomic_files.make_folder(self.lock.parent)
        with file_locks.held(self.lock):
            yield

    def _wait_for_switch(self, chosen: ChosenProject, name: str, on: bool) -> None:
        """Claude answers before it has written it down. Raises ServerRefused."""
        until = monotonic() + WRITE_SECONDS
        while (found := self._named(chosen, name)) is None or found.is_off == on:
            if monotonic() > until:
                raise ServerRefused("Claude has not written it down. Try again.")
            gevent.sleep(POLL_SECONDS)

    def _named(self, chosen: ChosenProject, name: str) -> Definition | None:
        return next((each for each in self.all(chosen) if each.name == name), None)

    def _write(
        self,
        chosen: ChosenProject,
        scope: Scope,
        name: str,
        content: Mapping[str, Any],
        by: Identity,
    ) -> None:
        if scope == "project":
            place = self.project_place(chosen)
            found = self.configuration.files.read(place)
            text = json_text.with_value(found.text, ("mcpServers", name), dict(content))
            self.configuration.save(place, text, found.revision, by)
            return
        arguments = ("add-json", "-s", scope, "--", name, "-")
        self.connections.subcommand(chosen, *arguments, stdin=json.dumps(dict(content)))
        self.configuration.reports.forget()

    def _remove(self, chosen: ChosenProject, scope: Scope, name: str, by: Identity) -> None:
        if scope == "project":
            place = self.project_place(chosen)
            found = self.configuration.files.read(place)
            text = json_text.without(found.text, ("mcpServers", name))
            self.configuration.save(place, text, found.revision, by)
            return
        self.connections.subcommand(chosen, "remove", "-s", scope, "--", name)
        self.configuration.reports.forget()

    def project_place(self, chosen: ChosenProject) -> Place:
        """The project's `.mcp.json`. Raises InvalidServer without a project."""
        if chosen.folder is None:
            raise InvalidServer("Choose a project first.")
        return Place(chosen.folder / ".mcp.json", root=chosen.folder, new_mode=SHARED_MODE)
