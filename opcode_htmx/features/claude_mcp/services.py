"""The services of this feature, as one value."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.features.claude_mcp.checks import Checks
from opcode_htmx.features.claude_mcp.connections import Connections
from opcode_htmx.features.claude_mcp.servers import McpServers
from opcode_htmx.features.claude_mcp.sign_ins import SignIns
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_folders import Backup, StateFolder
from opcode_htmx.sessions.configuration.service import Configuration
from opcode_htmx.sessions.lookup import SessionLookup

CHECKS = StateFolder(
    "mcp_checks", "the last test of each MCP server", "of the last 50 projects", version=1
)
SIGN_INS = StateFolder(
    "mcp_sign_ins", "sign-ins at MCP servers that have begun", "an hour", 1, backup=Backup.NEVER
)
FOLDER = StateFolder("mcp_folder", "nothing: a folder for the servers of no project")
STATE = (CHECKS, SIGN_INS, FOLDER)


@dataclass(frozen=True, slots=True)
class Services:
    configuration: Configuration
    servers: McpServers
    connections: Connections
    checks: Checks
    sign_ins: SignIns
    lookup: SessionLookup
    home: Path

    @classmethod
    def of(cls, context: AppContext) -> Services:
        engine, state = context.engine, context.state
        connections = Connections(
            engine.launcher, engine.codec, context.runs, state.folder(FOLDER.name)
        )
        checks = Checks(state.folder(CHECKS.name), connections)
        configuration = context.sessions.configuration
        servers = McpServers(configuration, connections, state.folder(CHECKS.name) / "lock")
        return cls(
            configuration=configuration,
            servers=servers,
            connections=connections,
            checks=checks,
            sign_ins=SignIns(state.folder(SIGN_INS.name), connections, checks, servers),
            lookup=context.sessions.lookup,
            home=context.settings.home,
        )
