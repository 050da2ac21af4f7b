"""/api/projects/…/mcp-config, and what was decided about the servers of a project's .mcp.json."""

from __future__ import annotations

import json

from opcode_htmx.engines.claude.config import mcp_definitions
from opcode_htmx.engines.claude.config.json_text import parse
from opcode_htmx.engines.claude.config.mcp_definitions import InvalidServer
from opcode_htmx.features.claude_mcp import schema
from opcode_htmx.features.claude_mcp.api import NO_PROJECT, TAG
from opcode_htmx.features.claude_mcp.services import Services
from opcode_htmx.sessions.configuration.named_project import OfSomeProject, chosen_by
from opcode_htmx.sessions.configuration.revisions import CHANGED, based_on
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint


class ProjectMcpApi:
    def __init__(self, services: Services) -> None:
        self._configuration = services.configuration
        self._servers = services.servers

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="POST",
                path="/api/mcp/project-choices/reset",
                tag=TAG,
                summary="Forget which servers of a project are approved or rejected",
                handler=self.reset,
                body=schema.InProject,
                refusals=NO_PROJECT,
            ),
            Endpoint(
                method="GET",
                path="/api/projects/{project_id}/mcp-config",
                tag=TAG,
                summary="A project's .mcp.json",
                handler=self.config,
                response=schema.McpConfig,
                refusals={**NO_PROJECT, 422: "Claude may not work there, or it is no JSON."},
            ),
            Endpoint(
                method="PUT",
                path="/api/projects/{project_id}/mcp-config",
                tag=TAG,
                summary="Write a project's .mcp.json",
                handler=self.save_config,
                response=schema.McpConfig,
                body=schema.NewMcpConfig,
                refusals={**NO_PROJECT, **CHANGED},
            ),
        )

    def reset(self, body: schema.InProject) -> None:
        self._servers.reset_choices(self._chosen(body), current_identity())

    def config(self, project_id: str) -> schema.McpConfig:
        return self._config(self._with_id(project_id))

    def save_config(self, project_id: str, body: schema.NewMcpConfig) -> schema.McpConfig:
        chosen = self._with_id(project_id)
        place = self._servers.project_place(chosen)
        before = based_on(self._configuration, place, body.revision)
        text = json.dumps(body.config, indent=2, ensure_ascii=False) + "\n"
        for name, content in _servers_in(body.config).items():
            mcp_definitions.check_name(name)
            mcp_definitions.check(content)
        self._configuration.save_json(place, text, before, current_identity())
        return self._config(chosen)

    def _config(self, chosen: ChosenProject) -> schema.McpConfig:
        found = self._configuration.read_json(self._servers.project_place(chosen))
        return schema.McpConfig(config=parse(found.text), revision=found.revision)

    def _chosen(self, named: OfSomeProject) -> ChosenProject:
        return chosen_by(self._configuration, named)

    def _with_id(self, project_id: str) -> ChosenProject:
        return self._chosen(OfSomeProject(project_id=project_id, project_path=None))


def _servers_in(config: dict[str, object]) -> dict[str, dict[str, object]]:
    found = config.get("mcpServers", {})
    if not isinstance(found, dict) or not all(isinstance(e, dict) for e in found.values()):
        raise InvalidServer("“mcpServers” must be an object of servers.")
    return found
