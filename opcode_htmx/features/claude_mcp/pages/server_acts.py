"""What is done with one server from its page, each act with the notice that follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opcode_htmx.engines.claude.config import queries
from opcode_htmx.engines.claude.config.mcp_config import Definition
from opcode_htmx.features.claude_mcp.connections import ServerRefused
from opcode_htmx.features.claude_mcp.services import Services
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity

ServerAct = Callable[[ChosenProject, Definition], tuple[str, str]]
"""Does something; the key and the text of the notice. Raises ServerRefused."""


class ServerActs:
    def __init__(self, services: Services) -> None:
        self._servers = services.servers
        self._checks = services.checks
        self._connections = services.connections

    def by_name(self) -> Mapping[str, ServerAct]:
        """The acts by their names in addresses."""
        return {
            "test": self._test,
            "remove": self._remove,
            "approve": self._approve,
            "reject": self._reject,
            "on": self._turn_on,
            "off": self._turn_off,
            "sign-out": self._sign_out,
            "reconnect": self._reconnect,
        }

    def _test(self, chosen: ChosenProject, found: Definition) -> tuple[str, str]:
        self._checks.test(chosen, self._servers.all(chosen), found.name)
        return "mcp-tested", ""

    def _remove(self, chosen: ChosenProject, found: Definition) -> tuple[str, str]:
        self._servers.remove(chosen, found.scope, found.name, current_identity())
        return "mcp-removed", ""

    def _approve(self, chosen: ChosenProject, found: Definition) -> tuple[str, str]:
        self._servers.choose(chosen, found.name, "approved", current_identity())
        return "mcp-approved", ""

    def _reject(self, chosen: ChosenProject, found: Definition) -> tuple[str, str]:
        self._servers.choose(chosen, found.name, "rejected", current_identity())
        return "mcp-rejected", ""

    def _turn_on(self, chosen: ChosenProject, found: Definition) -> tuple[str, str]:
        self._servers.switch(chosen, found.name, True, current_identity())
        return "mcp-on", ""

    def _turn_off(self, chosen: ChosenProject, found: Definition) -> tuple[str, str]:
        self._servers.switch(chosen, found.name, False, current_identity())
        return "mcp-off", ""

    def _sign_out(self, chosen: ChosenProject, found: Definition) -> tuple[str, str]:
        self._servers.sign_out(chosen, found.name, current_identity())
        self._checks.test(chosen, self._servers.all(chosen), found.name)
        return "mcp-signed-out", ""

    def _reconnect(self, chosen: ChosenProject, found: Definition) -> tuple[str, str]:
        folder = None if found.scope == "user" else chosen.folder
        count, problem = 0, ""
        for run in self._connections.running(folder):
            try:
                self._connections.order(run, queries.mcp_reconnect(found.name))
                count += 1
            except ServerRefused as error:
                problem = str(error)
        if problem and not count:
            raise ServerRefused(problem)
        return "mcp-reconnected", str(count)
