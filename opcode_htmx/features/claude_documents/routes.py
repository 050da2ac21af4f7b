"""The pages of a kind of document: the list, and one to be made, changed or deleted."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, abort, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config.documents import kinds
from opcode_htmx.engines.claude.config.documents.kinds import FIELDS, InvalidName, Kind
from opcode_htmx.engines.claude.config.documents.listing import Entry
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.features.claude_documents import in_force
from opcode_htmx.lib.files.versioned_files import FileChanged, FileRefused
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.sessions.configuration.documents import (
    Content,
    Documents,
    InvalidDocument,
    NameTaken,
)
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import typed

MOST_PROJECTS = 50
LIST_OF = {
    Kind.COMMAND: "claude_commands.page",
    Kind.SKILL: "claude_commands.page",
    Kind.AGENT: "claude_agents.page",
}
"""Skills stand in the list of commands, because they are called like them."""


def blueprint(documents: Documents, kind: Kind, capabilities: CapabilityCache) -> Blueprint:
    pages = Blueprint(f"claude_{kind.value}", __name__)
    configuration, address = documents.configuration, f"/claude/{kind.value}"

    def named(scope: str, document: str, folder: str) -> tuple[ChosenProject, Entry]:
        chosen = configuration.chosen(folder)
        found = documents.find(kind, chosen, scope, document)
        if found is None:
            abort(404, description=f"There is no such {kind.noun}, or it needs a project.")
        return chosen, found

    if kind is not Kind.SKILL:

        @pages.get(address)
        def page() -> str:
            chosen = configuration.chosen(request.args.get("folder", ""))
            report = configuration.report(chosen)
            entries = documents.all(kind, chosen)
            if kind is Kind.COMMAND:
                entries += documents.all(Kind.SKILL, chosen)
                sections = in_force.commands(entries, report)
            else:
                sections = in_force.agents(entries, report)
            notice, about = flashed()
            return render_template(
                "claude_documents/list.html",
                kind=kind,
                chosen=chosen,
                projects=project_choices(configuration.workspace, MOST_PROJECTS),
                report=report,
                sections=list(sections),
                notice=notice,
                deleted=about.partition(" "),
            )

    @pages.get(f"{address}/new")
    def new() -> str:
        chosen = configuration.chosen(request.args.get("folder", ""))
        asked = request.args.get("scope", "")
        scope = Scope(asked) if asked in scopes_of(chosen) else scopes_of(chosen)[0]
        return form(chosen, scope, Content({}, ""))

    @pages.post(f"{address}/new")
    def create() -> BaseResponse | tuple[str, int]:
        chosen = configuration.chosen(request.form.get("folder", ""))
        asked = request.form.get("scope", "")
        scope = Scope(asked) if asked in scopes_of(chosen) else Scope.USER
        name, content = request.form.get("name", "").strip(), _content(kind)
        try:
            made = documents.create(kind, chosen, scope, name, content, current_identity())
        except (InvalidName, InvalidDocument, FileRefused) as error:
            return form(chosen, scope, content, name=name, error=str(error)), 422
        except NameTaken as error:
            return form(chosen, scope, content, name=name, error=str(error)), 409
        return to_form(chosen, made, "document-made")

    @pages.get(f"{address}/<scope>/<document>")
    def shown(scope: str, document: str) -> str:
        chosen, found = named(scope, document, request.args.get("folder", ""))
        return form(chosen, found.scope, documents.read(found), found)

    @pages.post(f"{address}/<scope>/<document>")
    def save(scope: str, document: str) -> BaseResponse | tuple[str, int]:
        chosen, found = named(scope, document, request.form.get("folder", ""))
        content = _content(kind)
        try:
            documents.save(found, content, current_identity())
        except FileChanged as error:
            content = Content(content.values, content.body, error.current.revision)
            return form(chosen, found.scope, content, found, current=error.current.text), 409
        except (InvalidDocument, FileRefused) as error:
            return form(chosen, found.scope, content, found, error=str(error)), 422
        return to_form(chosen, found, "document-saved")

    @pages.post(f"{address}/<scope>/<document>/delete")
    def delete(scope: str, document: str) -> BaseResponse | tuple[str, int]:
        chosen, found = named(scope, document, request.form.get("folder", ""))
        try:
            based_on = request.form.get("revision", "")
            deleted = documents.remove(found, based_on, current_identity())
        except FileChanged as error:
            current = error.current.text
            return form(chosen, found.scope, documents.read(found), found, current=current), 409
        return redirect_with_notice(
            url_for(LIST_OF[kind], folder=chosen.reference or None),
            "document-deleted",
            f"{deleted.id} {found.called[:100]}",
        )

    def to_form(chosen: ChosenProject, entry: Entry, notice: str) -> BaseResponse:
        where = url_for(
            ".shown", scope=entry.scope, document=entry.name, folder=chosen.reference or None
        )
        return redirect_with_notice(where, notice)

    def form(
        chosen: ChosenProject,
        scope: Scope,
        content: Content,
        entry: Entry | None = None,
        *,
        name: str = "",
        error: str = "",
        current: str | None = None,
    ) -> str:
        """The form; `current` is what the file holds, where that is not what it is based on."""
        return render_template(
            "claude_documents/form.html",
            kind=kind,
            kinds=Kind,
            list_of=LIST_OF[kind],
            chosen=chosen,
            scope=scope,
            scopes=scopes_of(chosen),
            fields=FIELDS[kind],
            content=content,
            entry=entry,
            name=name,
            error=error,
            current=current,
            colors=_choices(kinds.COLORS, content.values.get("color", "")),
            models=_models(capabilities),
            notice=flashed()[0],
        )

    return pages


def scopes_of(chosen: ChosenProject) -> Sequence[Scope]:
    """Where a new document can be made."""
    return kinds.SCOPES if chosen.folder else (Scope.USER,)


def _content(kind: Kind) -> Content:
    """What the form of this request says."""
    form = request.form
    values = {field.name: typed(form.get(field.name, "")) for field in FIELDS[kind]}
    return Content(values, typed(form.get("body", "")), form.get("revision", ""))


def _choices(choices: Sequence[str], value: str) -> Sequence[str]:
    return choices if not value or value in choices else (*choices, value)


def _models(capabilities: CapabilityCache) -> list[str]:
    found = [model.value for model in capabilities.models if model.value != "default"]
    return list(dict.fromkeys([*kinds.MODELS, *found]))
