"""What Claude can be told to use: slash commands and MCP servers; agents and usage, still empty."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from flask import Blueprint, Response

from opcode_htmx.api.schema import responses
from opcode_htmx.api.schema.envelope import InvalidRequest, answer, query
from opcode_htmx.engines.claude.config import mcp_config
from opcode_htmx.engines.claude.config import slash_commands as commands
from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.sessions.workspace import Workspace

UNKNOWN = responses.McpStatus(running=False, error=None, last_checked=None)


def blueprint(place: Workspace, state_file: Path) -> Blueprint:
    """`state_file` is where Claude keeps what it knows of projects."""
    config_dir = place.config_dir
    api = Blueprint("api_catalog", __name__, url_prefix="/api")

    def project() -> Path | None:
        """The project that the address names, if it names one."""
        wanted = query(responses.OfProject)
        if wanted.project_id is not None and wanted.project_path is not None:
            raise InvalidRequest("Name the project by project_id or by project_path, not by both.")
        if wanted.project_path is not None:
            return place.working_folder(wanted.project_path)
        if wanted.project_id is not None:
            path = sessions.project(config_dir, wanted.project_id).path
            return place.working_folder(path) if path else None
        return None

    @api.get("/slash-commands")
    def slash_commands() -> Response:
        return answer([_command(each) for each in commands.files(project(), config_dir)])

    @api.get("/mcp/servers")
    def mcp_servers() -> Response:
        found = mcp_config.servers(state_file, config_dir, project())
        return answer([responses.McpServer(**asdict(each), status=UNKNOWN) for each in found])

    @api.get("/agents")
    def agents() -> Response:
        return answer([])

    @api.get("/usage")
    def usage() -> Response:
        return answer([])

    return api


def _command(found: commands.CommandFile) -> responses.SlashCommand:
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
