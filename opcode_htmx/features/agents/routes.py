"""The pages of agents: their list, one of them, the form, duplicates, deleted ones, downloads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.agents import forms, model
from opcode_htmx.features.agents.exchange import document, subagents
from opcode_htmx.features.agents.model import Agent, AgentRefused
from opcode_htmx.features.agents.pages import AgentPages
from opcode_htmx.features.agents.store import AgentChanged, AgentStore, NoSuchAgent, StoredAgent
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.files.versioned_files import FileChanged, FileRefused
from opcode_htmx.rendering.asks.permissions import MODES
from opcode_htmx.runs.model.permission_updates import BYPASS
from opcode_htmx.runs.options.profiles import SessionProfiles
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.disposition import download

LONGEST_FOLDER = 12_288
"""Characters of a path with its bytes escaped."""
FEW_RUNS = 5
"""Runs on the page of an agent, and on that of all."""


def blueprint(parts: AgentPages) -> Blueprint:
    pages = Blueprint("agents", __name__)
    _add_globals(pages, parts.context.runs.options.profiles)
    _add_agents(pages, parts)
    _add_exports(pages, parts.store)
    return pages


def _add_globals(pages: Blueprint, profiles: SessionProfiles) -> None:
    @pages.app_template_global("agent_of_session")
    def label(session_id: str) -> str:
        """The name of the agent that a session is of; empty for one of a person."""
        return profiles.label(session_id)[0]

    @pages.app_template_global("agents_of_sessions")
    def labels() -> Callable[[str], str]:
        """The same for many sessions, as of now: most are of a person."""
        having = profiles.sessions()
        return lambda session_id: label(session_id) if session_id in having else ""

    @pages.app_template_global("agent_symbol")
    def symbol(icon: str) -> str:
        return model.ICONS.get(icon, "bot")

    @pages.app_template_global("agent_duration")
    def duration(seconds: float) -> str:
        """A time in words: `8 s`, `3 min 20 s`, `2 h 5 min`."""
        minutes, rest = divmod(int(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        if hours:
            return f"{hours:,} h {minutes} min"
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _add_agents(pages: Blueprint, parts: AgentPages) -> None:
    store = parts.store

    @pages.get("/agents")
    def page() -> str:
        records = parts.records.all()
        deleted = store.deleted(request.args.get("deleted", ""))
        return render_template(
            "agents/agents.html",
            agents=store.all(),
            runs=parts.rows(records[:FEW_RUNS]),
            live=parts.live_by_agent(records),
            folder=request.args.get("folder", "")[:LONGEST_FOLDER],
            deleted=deleted,
        )

    @pages.get("/agents/new")
    def new() -> str:
        return _form(forms.fields_of(Agent(name="")))

    @pages.post("/agents")
    def add() -> Response | BaseResponse:
        fields = forms.fields_in(request.form)
        try:
            stored = store.add(forms.agent_of(fields, {}, {}))
        except AgentRefused as error:
            return make_response(_form(fields, error=str(error)), 422)
        log_act(current_identity(), "agent.add", agent=str(stored.id))
        return redirect(url_for(".agent", agent_id=stored.id), 303)

    @pages.get("/agents/<int:agent_id>")
    def agent(agent_id: int) -> str:
        return parts.agent_page(store.get(agent_id), request.args)

    @pages.get("/agents/<int:agent_id>/edit")
    def edit(agent_id: int) -> str:
        stored = store.get(agent_id)
        version = store.version(agent_id, request.args.get("version", ""))
        return _form(forms.fields_of(version or stored.agent), stored, is_earlier=bool(version))

    @pages.post("/agents/<int:agent_id>/edit")
    def change(agent_id: int) -> Response | BaseResponse:
        stored, fields = store.get(agent_id), forms.fields_in(request.form)
        revision = request.form.get("revision", "")
        try:
            before = stored.agent
            changed = forms.agent_of(fields, before.unknown, before.unknown_own)
            store.change(agent_id, changed, revision)
        except AgentRefused as error:
            return make_response(_form(fields, stored, revision=revision, error=str(error)), 422)
        except AgentChanged as changed_meanwhile:
            current = changed_meanwhile.current
            return make_response(_form(fields, current, conflict=True), 409)
        log_act(current_identity(), "agent.change", agent=str(agent_id))
        return redirect(url_for(".agent", agent_id=agent_id), 303)

    @pages.post("/agents/<int:agent_id>/duplicate")
    def duplicate(agent_id: int) -> BaseResponse:
        stored = store.add(store.get(agent_id).agent.copied())
        log_act(current_identity(), "agent.add", agent=str(stored.id))
        return redirect(url_for(".edit", agent_id=stored.id), 303)

    @pages.post("/agents/<int:agent_id>/delete")
    def delete(agent_id: int) -> BaseResponse:
        deleted = store.delete(agent_id, request.form.get("revision") or None)
        log_act(current_identity(), "agent.delete", agent=str(agent_id))
        return redirect(url_for(".page", deleted=deleted.id), 303)

    @pages.post("/agents/deleted/<deleted_id>/restore")
    def restore(deleted_id: str) -> BaseResponse:
        try:
            store.restore(deleted_id)
        except (FileRefused, FileChanged):
            raise NoSuchAgent from None
        log_act(current_identity(), "agent.restore", deleted=deleted_id)
        return redirect(url_for(".page"), 303)

    def _form(
        fields: Mapping[str, str],
        stored: StoredAgent | None = None,
        *,
        error: str = "",
        revision: str = "",
        conflict: bool = False,
        is_earlier: bool = False,
    ) -> str:
        modes = [each for each in model.MODES if each != BYPASS or parts.allows_bypass]
        return render_template(
            "agents/edit.html",
            fields=fields,
            stored=stored,
            current=forms.fields_of(stored.agent) if stored and conflict else None,
            revision=revision or (stored.revision if stored else ""),
            versions=store.versions(stored.id) if stored else (),
            is_earlier=is_earlier,
            error=error,
            conflict=conflict,
            icons=model.ICONS,
            modes=[(each, MODES.get(each, each)) for each in modes if each],
            models=parts.models(),
            longest=(model.LONGEST_NAME, model.LONGEST_PROMPT),
        )


def _add_exports(pages: Blueprint, store: AgentStore) -> None:
    @pages.get("/agents/<int:agent_id>/export.opcode.json")
    def export(agent_id: int) -> Response:
        found = store.get(agent_id).agent
        name = document.file_name(found)
        return download([document.dumped(found, time.time())], "application/json", name)

    @pages.get("/agents/<int:agent_id>/export.md")
    def export_subagent(agent_id: int) -> Response:
        found = store.get(agent_id).agent
        name = f"{subagents.name_of(found)}{subagents.SUFFIX}"
        return download([subagents.as_text(found)], "text/markdown", name)
