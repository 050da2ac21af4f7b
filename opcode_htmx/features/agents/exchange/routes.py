"""Import agents: from a file, a folder on GitHub, Claude's subagents; each is shown first.

Nothing is saved before the person has seen it and pressed Save: what is posted then is the shown
document, which is checked again.
"""

from __future__ import annotations

import json
import time
from pathlib import PurePosixPath
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config.documents.kinds import InvalidName, Kind
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.features.agents.exchange import document, github, subagents
from opcode_htmx.features.agents.exchange.github import GitHub, NotFetched
from opcode_htmx.features.agents.model import Agent, AgentRefused
from opcode_htmx.features.agents.pages import MOST_PROJECTS, AgentPages
from opcode_htmx.features.agents.serialization import MOST_BYTES
from opcode_htmx.features.agents.store import StoredAgent
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.files.versioned_files import FileRefused
from opcode_htmx.runs.policies.working_folders import InvalidFolder
from opcode_htmx.sessions.configuration.documents import (
    Content,
    Documents,
    InvalidDocument,
    NameTaken,
)
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import typed
from opcode_htmx.web.http.request_body import accepts_up_to

MAX_REQUEST = 4 * MOST_BYTES
"""Of a form with a document: browsers escape it."""


def blueprint(parts: AgentPages, hub: GitHub, documents: Documents) -> Blueprint:
    pages = Blueprint("agent_import", __name__)

    @pages.get("/agents/import")
    def page() -> Response | str:
        try:
            return _page(project=documents.configuration.chosen(request.args.get("folder", "")))
        except InvalidFolder as error:
            return make_response(_page(error=str(error)), 422)

    @pages.post("/agents/import")
    @accepts_up_to(MAX_REQUEST)
    def upload() -> Response | str:
        file = request.files.get("file")
        if file is None or not file.filename:
            return make_response(_page(error="Choose a file first."), 422)
        try:
            content = file.stream.read(MOST_BYTES + 1)
            return _preview(_agent_in(content, file.filename), f"From {file.filename[:200]}")
        except AgentRefused as error:
            return make_response(_page(error=str(error)), 422)

    @pages.post("/agents/import/github")
    def from_github() -> Response | str:
        """The agents of a folder, or the one that is chosen among them."""
        where = request.form.get("from", "")[:1000]
        try:
            place = github.place_of(where)
            chosen = request.form.get("file", "")[:1000]
            if chosen:
                file = github.Place(place.owner, place.repository, _checked_path(chosen), place.ref)
                return _preview(_agent_in(hub.content(file), file.path), f"From {file.shown}")
            found = hub.listing(place)
        except (NotFetched, AgentRefused) as error:
            return make_response(_page(error=str(error), where=where), 422)
        return _page(where=where, place=place, found=found)

    @pages.get("/agents/import/subagents/<scope>/<document>")
    def from_subagent(scope: str, document: str) -> Response | str:
        """One of Claude's own subagents."""
        try:
            project = documents.configuration.chosen(request.args.get("folder", ""))
            entry = documents.find(Kind.AGENT, project, scope, document)
            if entry is None:
                raise AgentRefused("This subagent is not there any more.")
            text = documents.configuration.files.read(entry.place).text
            return _preview(subagents.of_text(text, entry.place.path.name), "From a subagent")
        except (AgentRefused, FileRefused, InvalidFolder) as error:
            return make_response(_page(error=str(error)), 422)

    @pages.post("/agents/import/save")
    @accepts_up_to(MAX_REQUEST)
    def save() -> Response | BaseResponse:
        try:
            stored = parts.store.add(document.loaded(typed(request.form.get("document", ""))))
        except AgentRefused as error:
            return make_response(_page(error=str(error)), 422)
        log_act(current_identity(), "agent.import", agent=str(stored.id))
        return redirect(url_for("agents.agent", agent_id=stored.id), 303)

    @pages.post("/agents/<int:agent_id>/subagent")
    def make_subagent(agent_id: int) -> Response | BaseResponse:
        """Write the agent as a subagent of Claude's, for the user or a project."""
        stored, folder = parts.store.get(agent_id), request.form.get("folder", "")
        try:
            entry = _written(stored, folder)
        except (InvalidName, InvalidDocument, NameTaken, FileRefused, InvalidFolder) as error:
            status = 409 if isinstance(error, NameTaken) else 422
            return make_response(parts.agent_page(stored, {}, error=str(error)), status)
        query = urlencode({"folder": folder} if folder else {})
        address = url_for("claude_agents.page")
        log_act(current_identity(), "agent.subagent", agent=str(agent_id), file=entry)
        return redirect(f"{address}?{query}" if query else address, 303)

    def _written(stored: StoredAgent, folder: str) -> str:
        agent, configuration = stored.agent, documents.configuration
        project = configuration.chosen(folder)
        content = Content(subagents.fields_of(agent), f"{agent.system_prompt}\n")
        scope = Scope.PROJECT if project.folder else Scope.USER
        entry = documents.create(
            Kind.AGENT, project, scope, subagents.name_of(agent), content, current_identity()
        )
        return str(entry.place.path)

    def _page(
        *,
        error: str = "",
        where: str = "",
        place: github.Place | None = None,
        found: list[github.Listed] | None = None,
        project: ChosenProject | None = None,
    ) -> str:
        project = project or ChosenProject()
        return render_template(
            "agents/import.html",
            error=error,
            where=where,
            place=place,
            found=found,
            chosen=project,
            projects=project_choices(documents.configuration.workspace, MOST_PROJECTS),
            subagents=documents.all(Kind.AGENT, project),
        )

    def _preview(agent: Agent, source: str) -> str:
        return render_template(
            "agents/preview.html",
            agent=agent,
            source=source,
            enforced=agent.limits.enforced(),
            hooks=json.dumps(agent.hooks, ensure_ascii=False, indent=2) if agent.hooks else "",
            unknown=[*agent.unknown, *agent.unknown_own],
            document=document.dumped(agent, time.time()),
        )

    return pages


def _agent_in(content: bytes, name: str) -> Agent:
    """The agent of a file, a document or a subagent by its name. Raises AgentRefused."""
    if not name.endswith(subagents.SUFFIX):
        return document.loaded(content)
    try:
        return subagents.of_text(content.decode("utf-8-sig"), PurePosixPath(name).name)
    except UnicodeDecodeError:
        raise AgentRefused("This is not UTF-8 text.") from None


def _checked_path(path: str) -> str:
    parts = path.split("/")
    if any(each in ("", ".", "..") or not each.isprintable() for each in parts):
        raise NotFetched("There is no such file.")
    return path
