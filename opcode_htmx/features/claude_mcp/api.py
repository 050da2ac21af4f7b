"""/api/mcp: the servers, as the pages show and change them."""

from __future__ import annotations

from collections.abc import Mapping

from werkzeug.exceptions import NotFound

from opcode_htmx.engines.claude.config import mcp_config, mcp_definitions
from opcode_htmx.engines.claude.config.mcp_config import Definition
from opcode_htmx.engines.claude.config.mcp_definitions import InvalidServer
from opcode_htmx.features.claude_mcp import desktop, schema
from opcode_htmx.features.claude_mcp.checks import Checked
from opcode_htmx.features.claude_mcp.services import Services
from opcode_htmx.sessions.configuration.named_project import OfSomeProject, chosen_by
from opcode_htmx.sessions.configuration.revisions import CHANGED
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.invalid_request import InvalidRequest

TAG = "MCP servers"
NO_PROJECT = {404: "There is no such project or session."}
NO_SERVER = {404: "There is no such server."}


class McpApi:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._servers = services.servers

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (*self._of_servers(), *self._of_one())

    def _of_servers(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/mcp/servers",
                tag="Catalog",
                summary="MCP servers of the user and, if one is named, of a project",
                handler=self.all,
                response=list[schema.McpServer],
                query=OfSomeProject,
                refusals=NO_PROJECT,
                description="Values of env and headers, and what looks like a secret, are shown "
                "as ********.",
            ),
            Endpoint(
                method="POST",
                path="/api/mcp/servers",
                tag=TAG,
                summary="Add a server by its fields",
                handler=self.add,
                response=schema.McpServer,
                body=schema.NewMcpServer,
                refusals=NO_PROJECT,
                status=201,
            ),
            Endpoint(
                method="POST",
                path="/api/mcp/add-json",
                tag=TAG,
                summary="Add a server by JSON",
                handler=self.add_json,
                response=schema.McpServer,
                body=schema.NewMcpServerJson,
                refusals=NO_PROJECT,
                status=201,
            ),
            Endpoint(
                method="POST",
                path="/api/mcp/import",
                tag=TAG,
                summary="Import servers from Claude Desktop",
                handler=self.take_over,
                response=list[schema.McpServer],
                body=schema.McpImport,
                refusals=NO_PROJECT,
            ),
        )

    def _of_one(self) -> tuple[Endpoint, ...]:
        path = "/api/mcp/servers/{server}"
        return (
            Endpoint(
                method="GET",
                path=path,
                tag=TAG,
                summary="One server",
                handler=self.get,
                response=schema.McpServer,
                query=schema.ServerQuery,
                refusals=NO_SERVER,
            ),
            Endpoint(
                method="PUT",
                path=path,
                tag=TAG,
                summary="Change a server",
                handler=self.change,
                response=schema.McpServer,
                body=schema.ChangedMcpServer,
                refusals={**NO_SERVER, **CHANGED},
            ),
            Endpoint(
                method="DELETE",
                path=path,
                tag=TAG,
                summary="Remove a server",
                handler=self.remove,
                query=schema.ServerQuery,
                refusals=NO_SERVER,
            ),
            Endpoint(
                method="POST",
                path=f"{path}/test",
                tag=TAG,
                summary="Connect to a server, and list its tools",
                handler=self.test,
                response=schema.McpTest,
                body=schema.InProject,
                refusals=NO_SERVER,
                description="Starts the servers of the user and, if it is trusted, of the project.",
            ),
            Endpoint(
                method="PUT",
                path=f"{path}/enabled",
                tag=TAG,
                summary="Turn a server on or off in a project",
                handler=self.enable,
                response=schema.McpServer,
                body=schema.McpChoice,
                refusals=NO_SERVER,
            ),
            Endpoint(
                method="PUT",
                path=f"{path}/choice",
                tag=TAG,
                summary="Approve or reject a server of a project's .mcp.json",
                handler=self.choose,
                response=schema.McpServer,
                body=schema.McpApproval,
                refusals={**NO_SERVER, **CHANGED},
            ),
        )

    # --- all ------------------------------------------------------------------------------------

    def all(self, query: OfSomeProject) -> list[schema.McpServer]:
        return self._listed(self._chosen(query))

    def _listed(self, chosen: ChosenProject) -> list[schema.McpServer]:
        config = self._services.configuration
        found = mcp_config.servers(config.state_file, config.workspace.config_dir, chosen.folder)
        tests = self._services.checks.latest(chosen)
        definitions = {(each.scope, each.name): each for each in self._servers.all(chosen)}
        return [
            schema.McpServer(
                name=each.name,
                transport=each.transport,
                command=each.command,
                args=list(each.args),
                env=each.env,
                url=each.url,
                headers=each.headers,
                scope=each.scope,
                is_active=each.is_active,
                status=_status(tests.of(definitions[each.scope, each.name])),
            )
            for each in found
        ]

    def add(self, body: schema.NewMcpServer) -> schema.McpServer:
        given = {
            "type": body.transport,
            "command": body.command,
            "args": body.args,
            "env": body.env,
            "url": body.url,
            "headers": body.headers,
        }
        content = {name: value for name, value in given.items() if value}
        return self._added(body, body.name, body.scope, content)

    def add_json(self, body: schema.NewMcpServerJson) -> schema.McpServer:
        found = mcp_definitions.parse(body.json_config, body.name)
        if list(found) != [body.name]:
            raise InvalidServer(f"The text must hold one server, “{body.name}”.")
        return self._added(body, body.name, body.scope, found[body.name])

    def take_over(self, body: schema.McpImport) -> list[schema.McpServer]:
        chosen = self._chosen(body)
        path = desktop.config_file(self._services.home, self._services.connections.environment)
        found = desktop.servers(path) if path else {}
        known = {each.name for each in self._servers.all(chosen)}
        wanted = [n for n in found if n not in known] if body.names is None else body.names
        for name in wanted:
            if name not in found:
                raise InvalidServer(f"Claude Desktop has no server “{name}”.")
            self._servers.add(
                chosen, self._scope(chosen, body.scope), name, found[name], current_identity()
            )
        added = {each.name: each for each in self._listed(chosen) if each.scope == body.scope}
        return [added[name] for name in wanted]

    # --- one ------------------------------------------------------------------------------------

    def get(self, server: str, query: schema.ServerQuery) -> schema.McpServer:
        chosen = self._chosen(query)
        return self._shown(chosen, self._found(chosen, query.scope, server).scope, server)

    def change(self, server: str, body: schema.ChangedMcpServer) -> schema.McpServer:
        chosen = self._chosen(body)
        found = self._found(chosen, body.scope, server)
        digest = mcp_definitions.digest(found.content)
        self._servers.replace(chosen, found.scope, server, body.config, digest, current_identity())
        return self._shown(chosen, found.scope, server)

    def remove(self, server: str, query: schema.ServerQuery) -> None:
        chosen = self._chosen(query)
        found = self._found(chosen, query.scope, server)
        self._servers.remove(chosen, found.scope, server, current_identity())

    def test(self, server: str, body: schema.InProject) -> schema.McpTest:
        chosen = self._chosen(body)
        self._found(chosen, None, server)
        found = self._services.checks.test(chosen, self._servers.all(chosen), server)
        if server not in found.servers:
            return schema.McpTest(
                status="disabled", error="Claude does not start this server here.", tools=[]
            )
        status = found.servers[server].status
        return schema.McpTest(
            status=status.status,
            error=status.error or None,
            tools=[schema.McpTool(name=t.name, description=t.description) for t in status.tools],
        )

    def enable(self, server: str, body: schema.McpChoice) -> schema.McpServer:
        chosen = self._chosen(body)
        found = self._found(chosen, None, server)
        self._servers.switch(chosen, server, body.enabled, current_identity())
        return self._shown(chosen, found.scope, server)

    def choose(self, server: str, body: schema.McpApproval) -> schema.McpServer:
        chosen = self._chosen(body)
        found = self._found(chosen, "project", server)
        self._servers.choose(chosen, server, body.choice, current_identity())
        return self._shown(chosen, found.scope, server)

    # --- shared ---------------------------------------------------------------------------------

    def _added(
        self,
        body: schema.NewMcpServer | schema.NewMcpServerJson,
        name: str,
        scope: schema.Scope,
        content: Mapping[str, object],
    ) -> schema.McpServer:
        chosen = self._chosen(body)
        self._servers.add(chosen, self._scope(chosen, scope), name, content, current_identity())
        return self._shown(chosen, scope, name)

    def _scope(self, chosen: ChosenProject, scope: schema.Scope) -> schema.Scope:
        if scope not in self._servers.scopes(chosen):
            raise InvalidRequest(f"The scope “{scope}” needs a project.")
        return scope

    def _found(self, chosen: ChosenProject, scope: schema.Scope | None, name: str) -> Definition:
        for each in self._servers.all(chosen):
            if each.name == name and scope in (None, each.scope):
                return each
        raise NotFound("There is no such server.")

    def _shown(self, chosen: ChosenProject, scope: str, name: str) -> schema.McpServer:
        found = self._listed(chosen)
        return next(each for each in found if (each.scope, each.name) == (scope, name))

    def _chosen(self, named: OfSomeProject) -> ChosenProject:
        return chosen_by(self._services.configuration, named)


def _status(checked: Checked | None) -> schema.McpStatus:
    if checked is None:
        return schema.McpStatus(running=False, error=None, last_checked=None)
    status = checked.status
    is_fine = status.status == "connected"
    return schema.McpStatus(
        running=is_fine,
        error=None if is_fine else status.error or status.words,
        last_checked=int(checked.at),
    )
