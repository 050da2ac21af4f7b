"""The pages of the MCP servers: all, one, and those of the running sessions."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config import mcp_definitions, queries
from opcode_htmx.engines.claude.config.mcp_config import Definition, Scope
from opcode_htmx.features.claude_mcp.connections import ServerRefused
from opcode_htmx.features.claude_mcp.pages.server_acts import ServerActs
from opcode_htmx.features.claude_mcp.services import Services
from opcode_htmx.runs.control.control_requests import ControlRefused
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.reports import ClaudeReport
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import whole_number

MOST_PROJECTS = 50
NOTICES = {
    "mcp-added": "Added. New sessions use it; running ones once you reconnect it there.",
    "mcp-saved": "Saved. New sessions use it.",
    "mcp-removed": "Removed.",
    "mcp-tested": "Tested just now.",
    "mcp-approved": "Approved.",
    "mcp-rejected": "Rejected. New sessions do not start it.",
    "mcp-reset": "Approvals and rejections of this project are reset.",
    "mcp-on": "Turned on in this project.",
    "mcp-off": "Turned off in this project.",
    "mcp-signed-in": "Signed in.",
    "mcp-signed-out": "Signed out.",
    "mcp-reconnected": "Reconnected.",
    "mcp-imported": "Imported.",
}
"""By key; the text of a notice is a number of running sessions, or empty."""


def notice() -> str:
    """The sentence of the notice that this page is to show."""
    key, text = flashed()
    words = NOTICES.get(key, "")
    if words and (number := whole_number(text)):
        sessions = "1 running session uses" if number == 1 else f"{number} running sessions use"
        words = f"{words} {sessions} it."
    return words


def server_address(chosen: ChosenProject, scope: str, name: str) -> str:
    return url_for("claude_mcp.server", scope=scope, server=name, folder=chosen.reference or None)


def named(
    services: Services, folder: str, scope: str, name: str
) -> tuple[ChosenProject, Definition]:
    """The project and the server of a request; ends it with 404 where there is none."""
    chosen = services.configuration.chosen(folder)
    found = services.servers.get(chosen, scope, name)
    if found is None:
        abort(404, description="There is no such server, or it needs a project.")
    return chosen, found


def register(pages: Blueprint, services: Services) -> None:
    servers, checks, connections = services.servers, services.checks, services.connections
    acts = ServerActs(services).by_name()

    @pages.get("/claude/mcp")
    def page() -> str:
        chosen = services.configuration.chosen(request.args.get("folder", ""))
        return list_page(chosen)

    @pages.post("/claude/mcp/test")
    def test_all() -> BaseResponse | tuple[str, int]:
        chosen = services.configuration.chosen(request.form.get("folder", ""))
        try:
            checks.test(chosen, servers.all(chosen))
        except ServerRefused as error:
            return list_page(chosen, str(error)), 422
        return redirect_with_notice(url_for(".page", folder=chosen.reference or None), "mcp-tested")

    @pages.post("/claude/mcp/choices/reset")
    def reset_choices() -> BaseResponse | tuple[str, int]:
        chosen = services.configuration.chosen(request.form.get("folder", ""))
        try:
            servers.reset_choices(chosen, current_identity())
        except ServerRefused as error:
            return list_page(chosen, str(error)), 422
        return redirect_with_notice(url_for(".page", folder=chosen.reference or None), "mcp-reset")

    @pages.get("/claude/mcp/servers/<scope>/<server>", endpoint="server")
    def server_page_of(scope: str, server: str) -> str:
        chosen, found = named(services, request.args.get("folder", ""), scope, server)
        return server_page(chosen, found)

    @pages.post("/claude/mcp/servers/<scope>/<server>/<act>")
    def act(scope: str, server: str, act: str) -> BaseResponse | tuple[str, int]:
        chosen, found = named(services, request.form.get("folder", ""), scope, server)
        if act not in acts:
            abort(404)
        try:
            key, text = acts[act](chosen, found)
        except ServerRefused as error:
            return server_page(chosen, found, str(error)), 422
        if act == "remove":
            return redirect_with_notice(url_for(".page", folder=chosen.reference or None), key)
        return redirect_with_notice(server_address(chosen, scope, server), key, text)

    @pages.get("/claude/mcp/sessions")
    def sessions() -> str:
        return sessions_page(services.configuration.chosen(request.args.get("folder", "")))

    @pages.post("/claude/mcp/sessions/<run_id>")
    def order(run_id: str) -> BaseResponse | tuple[str, int]:
        chosen = services.configuration.chosen(request.form.get("folder", ""))
        run = next((r for r in connections.running(chosen.folder) if r.id == run_id), None)
        name = request.form.get("name", "")[:200]
        if run is None or not name:
            abort(404, description="This session is not running any more.")
        query = queries.mcp_reconnect(name)
        if request.form.get("act") in ("on", "off"):
            query = queries.mcp_toggle(name, request.form.get("act") == "on")
        try:
            connections.order(run, query)
        except ServerRefused as error:
            return sessions_page(chosen, f"{name}: {error}"), 422
        key = {"on": "mcp-on", "off": "mcp-off"}.get(request.form.get("act", ""), "mcp-reconnected")
        return redirect_with_notice(url_for(".sessions", folder=chosen.reference or None), key)

    # --- pages ------------------------------------------------------------------------------

    def list_page(chosen: ChosenProject, error: str = "") -> str:
        check, found = checks.latest(chosen), servers.all(chosen)
        defined = {each.name for each in found}
        others = [each for name, each in check.servers.items() if name not in defined]
        return render_template(
            "claude_mcp/servers.html",
            chosen=chosen,
            projects=project_choices(services.configuration.workspace, MOST_PROJECTS),
            report=ClaudeReport(),
            groups=[
                (scope, words, [(each, check.of(each)) for each in found if each.scope == scope])
                for scope, words in servers.scopes(chosen).items()
            ],
            others=[each for each in others if each.status.scope not in servers.scopes(chosen)],
            address_of=address_of,
            error=error,
            notice=notice(),
        )

    def server_page(chosen: ChosenProject, found: Definition, error: str = "") -> str:
        shown = mcp_definitions.hidden(found.content)
        folder = None if found.scope == "user" else chosen.folder
        return render_template(
            "claude_mcp/server.html",
            chosen=chosen,
            report=ClaudeReport(),
            server=found,
            transport=mcp_definitions.transport(found.content),
            fields=_fields(shown),
            where=servers.scopes(chosen)[found.scope],
            checked=checks.latest(chosen).of(found),
            running=len(connections.running(folder)),
            error=error,
            notice=notice(),
        )

    def sessions_page(chosen: ChosenProject, error: str = "") -> str:
        return render_template(
            "claude_mcp/sessions.html",
            chosen=chosen,
            projects=project_choices(services.configuration.workspace, MOST_PROJECTS),
            rows=[_row(services, run) for run in connections.running(chosen.folder)],
            error=error,
            notice=notice(),
        )


def address_of(found: Definition) -> str:
    """What a server is reached by, on one line and without secrets."""
    shown = mcp_definitions.hidden(found.content)
    if "url" in shown:
        return str(shown["url"])
    return " ".join([str(shown.get("command", "")), *map(str, shown.get("args") or ())])


def scope_of(text: str, services: Services, chosen: ChosenProject) -> Scope:
    """The scope of a form, the user's if it is none."""
    return next((each for each in services.servers.scopes(chosen) if each == text), "user")


def _row(services: Services, run: Run) -> dict[str, Any]:
    """A running session: its title, and its servers or why they are not known."""
    row: dict[str, Any] = {"run": run, "title": services.lookup.title_of_run(run), "problem": ""}
    try:
        row["servers"] = services.connections.statuses(run)
    except (ControlRefused, RunNotLive) as error:
        row |= {"servers": [], "problem": str(error)}
    return row


def _fields(shown: dict[str, Any]) -> list[tuple[str, str]]:
    """The definition as names and texts."""
    found = []
    for name, value in shown.items():
        match value:
            case dict():
                text = "\n".join(f"{key}: {each}" for key, each in value.items())
            case list():
                text = "\n".join(map(str, value))
            case _:
                text = str(value)
        if text and name != "type":
            found.append((name, text))
    return found
