"""MCP servers of Claude: what is configured and whether it works, changes, and signing in."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.engines.claude.config.mcp_definitions import InvalidServer
from opcode_htmx.features.claude_mcp.connections import ServerRefused
from opcode_htmx.features.claude_mcp.services import STATE
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.web.rest.endpoint import Endpoint


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.claude_mcp.pages import editing, servers, sign_in
    from opcode_htmx.features.claude_mcp.services import Services

    services = Services.of(context)
    pages = Blueprint("claude_mcp", __name__)
    servers.register(pages, services)
    editing.register(pages, services)
    sign_in.register(pages, services)
    yield pages


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.claude_mcp.api import McpApi
    from opcode_htmx.features.claude_mcp.project_api import ProjectMcpApi
    from opcode_htmx.features.claude_mcp.services import Services

    services = Services.of(context)
    yield from McpApi(services).endpoints()
    yield from ProjectMcpApi(services).endpoints()


FEATURE = Feature(
    name="claude_mcp",
    routes=_routes,
    folders=("/claude/mcp",),
    endpoints=_endpoints,
    errors={InvalidServer: 422, ServerRefused: 422},
    state=STATE,
)
