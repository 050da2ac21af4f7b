"""What Claude can use: MCP servers; agents and usage, both still empty."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from opcode_htmx.api.rest.named_project import folder_of
from opcode_htmx.api.rest.refusals import NOT_FOUND
from opcode_htmx.api.schema import requests, responses
from opcode_htmx.engines.claude.config import mcp_config
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Catalog"
UNKNOWN = responses.McpStatus(running=False, error=None, last_checked=None)


class CatalogApi:
    def __init__(self, workspace: Workspace, state_file: Path) -> None:
        """`state_file` is the one in which Claude keeps what it knows of projects."""
        self._workspace = workspace
        self._state_file = state_file

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/mcp/servers",
                tag=TAG,
                summary="MCP servers of the user and, if one is named, of a project",
                handler=self.mcp_servers,
                response=list[responses.McpServer],
                query=requests.OfProject,
                refusals=NOT_FOUND,
                description="Values of env and headers, and what looks like a secret, are shown "
                "as ********.",
            ),
            Endpoint(
                method="GET",
                path="/api/agents",
                tag=TAG,
                summary="Agents: none yet",
                handler=list,
                response=list[responses.Agent],
            ),
            Endpoint(
                method="GET",
                path="/api/usage",
                tag=TAG,
                summary="Usage: not counted yet",
                handler=list,
                response=list[responses.UsageEntry],
            ),
        )

    def mcp_servers(self, query: requests.OfProject) -> list[responses.McpServer]:
        project = folder_of(self._workspace, query)
        found = mcp_config.servers(self._state_file, self._workspace.config_dir, project)
        return [responses.McpServer(**asdict(each), status=UNKNOWN) for each in found]
