"""The requests and responses of /api/mcp.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from opcode_htmx.sessions.configuration.named_project import OfSomeProject
from opcode_htmx.web.rest.models import RequestModel, ResponseModel

Scope = Literal["local", "project", "user"]
Text = Annotated[str, StringConstraints(max_length=4000)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class McpStatus(ResponseModel):
    """What the last test has found; nothing where there was none since the server is as it is."""

    running: bool
    error: str | None
    last_checked: int | None


class McpServer(ResponseModel):
    """An MCP server from Claude's files."""

    name: str
    transport: str
    command: str | None
    args: list[str]
    env: dict[str, str] = Field(description="The values are left out.")
    url: str | None
    headers: dict[str, str] = Field(description="The values are left out.")
    scope: Scope
    is_active: bool
    status: McpStatus


class McpTool(ResponseModel):
    """A tool of an MCP server."""

    name: str
    description: str


class McpTest(ResponseModel):
    """What came of a connection to an MCP server."""

    status: str = Field(description="connected, failed, needs-auth, pending or disabled.")
    error: str | None
    tools: list[McpTool]


class McpConfig(ResponseModel):
    """A project's .mcp.json; ******** stands for a secret."""

    config: dict[str, Any]
    revision: str = Field(description="Identifies this content; empty if there is no file.")


class ServerQuery(OfSomeProject):
    """A server in one place; without a scope, the first that has it."""

    scope: Scope | None = None


class NewMcpServer(OfSomeProject):
    """An MCP server by its fields."""

    name: Name
    transport: Literal["stdio", "http", "sse"] = "stdio"
    command: Text | None = None
    args: list[Text] = []
    env: dict[str, Text] = {}
    url: Text | None = None
    headers: dict[str, Text] = {}
    scope: Scope = "local"


class NewMcpServerJson(OfSomeProject):
    """An MCP server by its definition."""

    name: Name
    json_config: Annotated[str, StringConstraints(max_length=100_000)] = Field(
        description="One server as JSON, as in .mcp.json."
    )
    scope: Scope = "local"


class ChangedMcpServer(OfSomeProject):
    """The whole definition of a server; ******** keeps a saved secret."""

    config: dict[str, Any]
    scope: Scope | None = None


class McpChoice(OfSomeProject):
    """What to do with a server."""

    enabled: bool


class McpApproval(OfSomeProject):
    """Whether a server of .mcp.json is used; open: ask again."""

    choice: Literal["approved", "rejected", "open"]


class McpImport(OfSomeProject):
    """Which servers of Claude Desktop to take over; without names, all that are new."""

    names: list[Text] | None = None
    scope: Scope = "user"


class NewMcpConfig(RequestModel):
    """A whole .mcp.json; ******** keeps a saved secret."""

    config: dict[str, Any]
    revision: Text | None = Field(
        None, description="Of the content that this replaces; refused if it is another one by now."
    )


class InProject(OfSomeProject):
    """The project, by its id or its folder."""
