"""What Claude can use: slash commands and MCP servers; agents and usage, both still empty."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from opcode_htmx.api.rest.refusals import NOT_FOUND
from opcode_htmx.api.schema import requests, responses
from opcode_htmx.engines.claude.config import mcp_config, slash_commands
from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.validation import InvalidRequest

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
                path="/api/slash-commands",
                tag=TAG,
                summary="Commands and skills of the user and, if one is named, of a project",
                handler=self.slash_commands,
                response=list[responses.SlashCommand],
                query=requests.OfProject,
                refusals=NOT_FOUND,
            ),
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

    def slash_commands(self, query: requests.OfProject) -> list[responses.SlashCommand]:
        found = slash_commands.files(self._project(query), self._workspace.config_dir)
        return [_command(each) for each in found]

    def mcp_servers(self, query: requests.OfProject) -> list[responses.McpServer]:
        project = self._project(query)
        found = mcp_config.servers(self._state_file, self._workspace.config_dir, project)
        return [responses.McpServer(**asdict(each), status=UNKNOWN) for each in found]

    def _project(self, named: requests.OfProject) -> Path | None:
        """The folder of the project that the query names, if it names one."""
        if named.project_id is not None and named.project_path is not None:
            raise InvalidRequest("Name the project by project_id or by project_path, not by both.")
        if named.project_path is not None:
            return self._workspace.working_folder(named.project_path)
        if named.project_id is not None:
            path = sessions.project(self._workspace.config_dir, named.project_id).path
            return self._workspace.working_folder(path) if path else None
        return None


def _command(found: slash_commands.CommandFile) -> responses.SlashCommand:
    return responses.SlashCommand(
        id=f"{found.scope}-{found.full_name.replace(':', '-')}",
        name=found.name,
        full_command=f"/{found.full_name}",
        scope=found.scope,
        namespace=found.namespace or None,
        file_path=str(found.path),
        content=found.content,
        description=found.description or found.problem or None,
        allowed_tools=list(found.allowed_tools),
        has_bash_commands=found.runs_commands,
        has_file_references=found.refers_to_files,
        accepts_arguments=found.takes_arguments,
    )
