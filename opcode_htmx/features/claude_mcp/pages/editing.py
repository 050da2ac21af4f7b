"""The pages that add, edit and import MCP servers."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config import mcp_definitions
from opcode_htmx.engines.claude.config.mcp_config import Definition
from opcode_htmx.engines.claude.config.mcp_definitions import InvalidServer
from opcode_htmx.features.claude_mcp import desktop
from opcode_htmx.features.claude_mcp.connections import ServerRefused
from opcode_htmx.features.claude_mcp.pages.forms import KINDS, ServerForm, form_kind
from opcode_htmx.features.claude_mcp.pages.servers import (
    address_of,
    named,
    notice,
    scope_of,
    server_address,
)
from opcode_htmx.features.claude_mcp.servers import DefinitionChanged
from opcode_htmx.features.claude_mcp.services import Services
from opcode_htmx.lib.files.versioned_files import FileChanged, FileRefused
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import redirect_with_notice
from opcode_htmx.web.http.forms import typed

_FIELDS = ("name", "command", "args", "env", "url", "headers", "json")
_REFUSALS = (InvalidServer, ServerRefused, FileRefused, FileChanged)


def register(pages: Blueprint, services: Services) -> None:
    _add_forms(pages, services)
    _add_desktop(pages, services)


def _add_forms(pages: Blueprint, services: Services) -> None:
    servers = services.servers

    @pages.get("/claude/mcp/new")
    def new() -> str:
        chosen = services.configuration.chosen(request.args.get("folder", ""))
        kind = request.args.get("kind", "stdio")
        scope = "local" if chosen.folder else "user"
        form = ServerForm(kind if kind in KINDS else "stdio", scope=scope)
        return form_page(chosen, form)

    @pages.post("/claude/mcp/new")
    def add() -> BaseResponse | tuple[str, int]:
        chosen = services.configuration.chosen(request.form.get("folder", ""))
        scope = scope_of(request.form.get("scope", ""), services, chosen)
        form = _typed(scope)
        try:
            found = (
                mcp_definitions.parse(form.json, form.name)
                if form.kind == "json"
                else {form.name: form.content()}
            )
            for name, content in found.items():
                servers.add(chosen, scope, name, content, current_identity())
        except _REFUSALS as error:
            return form_page(chosen, form, error=str(error)), 422
        if len(found) > 1:
            return _added(url_for(".page", folder=chosen.reference or None))
        return _added(server_address(chosen, scope, next(iter(found))))

    @pages.get("/claude/mcp/servers/<scope>/<server>/edit")
    def edit(scope: str, server: str) -> str:
        chosen, found = named(services, request.args.get("folder", ""), scope, server)
        kind = form_kind(found.content)
        if request.args.get("kind") == "json":
            kind = "json"
        return form_page(chosen, _form_of(found, kind), found)

    @pages.post("/claude/mcp/servers/<scope>/<server>/edit")
    def save(scope: str, server: str) -> BaseResponse | tuple[str, int]:
        chosen, found = named(services, request.form.get("folder", ""), scope, server)
        name = found.name
        form = _typed(found.scope, name, mcp_definitions.hidden(found.content))
        try:
            content = (
                mcp_definitions.parse(form.json, name).get(name)
                if form.kind == "json"
                else form.content()
            )
            if content is None:
                raise InvalidServer(f"It must hold the server “{name}” only.")
            based_on = request.form.get("revision", "")
            servers.replace(chosen, found.scope, name, content, based_on, current_identity())
        except DefinitionChanged as error:
            if error.current is None:
                abort(404, description="This server has been removed.")
            now = _as_json(mcp_definitions.hidden(error.current.content))
            return form_page(chosen, form, error.current, str(error), current=now), 409
        except _REFUSALS as error:
            return form_page(chosen, form, found, str(error)), 422
        return redirect_with_notice(server_address(chosen, scope, name), "mcp-saved")

    def form_page(
        chosen: ChosenProject,
        form: ServerForm,
        found: Definition | None = None,
        error: str = "",
        current: str = "",
    ) -> str:
        """The form; `found` is the server that it changes, `current` what it became meanwhile."""
        return render_template(
            "claude_mcp/form.html",
            chosen=chosen,
            form=form,
            server=found,
            revision=mcp_definitions.digest(found.content) if found else "",
            scopes=servers.scopes(chosen),
            kinds=KINDS,
            fits=found is None or form_kind(found.content) != "json",
            error=error,
            current=current,
        )


def _add_desktop(pages: Blueprint, services: Services) -> None:
    servers = services.servers

    @pages.get("/claude/mcp/desktop")
    def from_desktop() -> str:
        return desktop_page(services.configuration.chosen(request.args.get("folder", "")))

    @pages.post("/claude/mcp/desktop")
    def import_desktop() -> BaseResponse | tuple[str, int]:
        chosen = services.configuration.chosen(request.form.get("folder", ""))
        scope = scope_of(request.form.get("scope", ""), services, chosen)
        wanted = request.form.getlist("name")
        try:
            found = _of_desktop(services)
            if not wanted:
                raise InvalidServer("Choose at least one server.")
            for name in wanted:
                if name in found:
                    servers.add(chosen, scope, name, found[name], current_identity())
        except _REFUSALS as error:
            return desktop_page(chosen, str(error)), 422
        return redirect_with_notice(
            url_for(".page", folder=chosen.reference or None), "mcp-imported"
        )

    def desktop_page(chosen: ChosenProject, error: str = "") -> str:
        try:
            found = _of_desktop(services)
        except InvalidServer as problem:
            found, error = {}, error or str(problem)
        known = {each.name for each in servers.all(chosen)}
        rows = [
            (name, address_of(Definition(name, "user", content)), name in known)
            for name, content in found.items()
        ]
        return render_template(
            "claude_mcp/desktop.html",
            chosen=chosen,
            rows=rows,
            scopes=servers.scopes(chosen),
            error=error,
            notice=notice(),
        )


def _of_desktop(services: Services) -> dict[str, dict[str, Any]]:
    path = desktop.config_file(services.home, services.connections.environment)
    return desktop.servers(path) if path else {}


def _typed(scope: str, name: str = "", others: dict[str, Any] | None = None) -> ServerForm:
    """The form as it was sent."""
    kind = request.form.get("kind", "")
    given = {each: typed(request.form.get(each, "")) for each in _FIELDS}
    given["name"] = name or given["name"].strip()
    return ServerForm(kind if kind in KINDS else "stdio", scope=scope, others=others or {}, **given)


def _form_of(found: Definition, kind: str) -> ServerForm:
    shown = mcp_definitions.hidden(found.content)
    if kind == "json":
        return ServerForm(kind, name=found.name, scope=found.scope, json=_as_json(shown))
    return ServerForm.of(kind, found.name, found.scope, shown)


def _as_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _added(address: str) -> BaseResponse:
    return redirect_with_notice(address, "mcp-added")
