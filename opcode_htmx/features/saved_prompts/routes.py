"""The pages on which a person keeps saved prompts: the list, and the form for one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.features.saved_prompts.service import (
    LONGEST_FOLDER,
    LONGEST_NAME,
    LONGEST_TEXT,
    PromptLibrary,
    PromptRefused,
    SavedPrompt,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.surrogates import replaced
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.sessions.folder_labels import name_of, shortened
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import typed

MOST_PROJECTS = 100
"""Projects that the form offers, the last used ones."""


def blueprint(library: PromptLibrary, workspace: Workspace) -> Blueprint:
    pages = Blueprint("saved_prompts", __name__)

    @pages.get("/prompts")
    def page() -> str:
        user = current_identity().user
        prompts = library.all(user)
        folders = list(dict.fromkeys(each.folder for each in prompts if each.folder))
        groups = [
            (_label(folder, workspace), [each for each in prompts if each.folder == folder])
            for folder in ("", *folders)
        ]
        return render_template(
            "saved_prompts/prompts.html",
            groups=[group for group in groups if group[1]],
            deleted=library.deleted(user, request.args.get("deleted", "")),
        )

    @pages.get("/prompts/new")
    def new() -> str:
        return _form({"folder": request.args.get("folder", "")[:LONGEST_FOLDER]})

    @pages.post("/prompts")
    def add() -> Response:
        text, name, folder = _fields(request.form)
        try:
            saved = library.add(current_identity().user, text, name, folder)
        except PromptRefused as error:
            return make_response(_form(request.form, error=str(error)), 422)
        log_act(current_identity(), "prompt.save", prompt=saved.id)
        return redirect(url_for(".page"), 303)

    @pages.get("/prompts/saved/<saved_id>")
    def edit(saved_id: str) -> str:
        saved = library.get(current_identity().user, saved_id)
        return _form({"text": saved.text, "name": saved.name, "folder": saved.folder}, saved)

    @pages.post("/prompts/saved/<saved_id>")
    def change(saved_id: str) -> Response:
        by = current_identity()
        saved = library.get(by.user, saved_id)
        try:
            library.change(by.user, saved_id, *_fields(request.form))
        except PromptRefused as error:
            return make_response(_form(request.form, saved, str(error)), 422)
        log_act(by, "prompt.change", prompt=saved_id)
        return redirect(url_for(".page"), 303)

    @pages.post("/prompts/saved/<saved_id>/delete")
    def delete(saved_id: str) -> Response:
        library.delete(current_identity().user, saved_id)
        log_act(current_identity(), "prompt.delete", prompt=saved_id)
        return redirect(url_for(".page", deleted=saved_id), 303)

    @pages.post("/prompts/saved/<saved_id>/restore")
    def restore(saved_id: str) -> Response:
        library.restore(current_identity().user, saved_id)
        log_act(current_identity(), "prompt.restore", prompt=saved_id)
        return redirect(url_for(".page"), 303)

    def _form(fields: Mapping[str, str], saved: SavedPrompt | None = None, error: str = "") -> str:
        return render_template(
            "saved_prompts/edit.html",
            fields=fields,
            saved=saved,
            error=error,
            projects=_projects(workspace, fields.get("folder", "")),
            longest_text=LONGEST_TEXT,
            longest_name=LONGEST_NAME,
        )

    return pages


def _fields(form: Mapping[str, str]) -> tuple[str, str, str]:
    return typed(form.get("text", "")), form.get("name", ""), form.get("folder", "")


def _projects(workspace: Workspace, chosen: str) -> list[tuple[str, str]]:
    """The folders that a prompt can be for, as forms name them, each with its label."""
    known = sessions.outline(workspace.config_dir)[:MOST_PROJECTS]
    folders = [reference(Path(each.path)) for each in known if each.path]
    if chosen:
        folders = [chosen, *folders]
    return [(each, _place(each, workspace)) for each in dict.fromkeys(folders)]


def _label(folder: str, workspace: Workspace) -> str:
    """The name of the project in a folder."""
    return name_of(Path(folder), workspace) if folder else "All projects"


def _place(folder: str, workspace: Workspace) -> str:
    """The name of a project and where it lies: those of several may be the same."""
    path = Path(folder)
    return replaced(f"{name_of(path, workspace)} ({shortened(path)})")
