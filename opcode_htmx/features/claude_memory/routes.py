"""The pages of the memory: all files, and one as Claude's readers see it."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config import json_text
from opcode_htmx.engines.claude.config.documents import front_matter
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.files.versioned_files import FileChanged
from opcode_htmx.markup import markdown
from opcode_htmx.sessions.configuration.memory import DELETABLE, MemoryFile, memory_of
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flash, flashed

MOST_PROJECTS = 50
SETTING = "autoMemoryEnabled"


def blueprint(configuration: Configuration) -> Blueprint:
    pages = Blueprint("claude_memory", __name__)

    def named(name: str, folder: str) -> tuple[ChosenProject, MemoryFile]:
        chosen = configuration.chosen(folder)
        found = memory_of(configuration, chosen).find(name)
        if found is None:
            abort(404, description="There is no such file, or it needs a project.")
        return chosen, found

    @pages.get("/claude/memory")
    def page() -> str:
        chosen = configuration.chosen(request.args.get("folder", ""))
        notice, about = flashed()
        return render_template(
            "claude_memory/memory.html",
            chosen=chosen,
            projects=project_choices(configuration.workspace, MOST_PROJECTS),
            report=configuration.report(chosen),
            memory=memory_of(configuration, chosen),
            notice=notice,
            deleted=about.partition(" "),
        )

    @pages.get("/claude/memory/<memory_file>")
    def file(memory_file: str) -> str:
        chosen, found = named(memory_file, request.args.get("folder", ""))
        return preview(chosen, found)

    @pages.post("/claude/memory/<memory_file>/delete")
    def delete(memory_file: str) -> BaseResponse | tuple[str, int]:
        chosen, found = named(memory_file, request.form.get("folder", ""))
        if found.kind not in DELETABLE:
            abort(404, description="This file is not deleted here.")
        try:
            based_on = request.form.get("revision", "")
            deleted = configuration.remove(found.place, based_on, current_identity())
        except FileChanged as error:
            return preview(chosen, found, f"{error} Nothing was deleted."), 409
        response = redirect(url_for(".page", folder=chosen.reference or None), 303)
        flash(response, "memory-deleted", f"{deleted.id} {found.title[:100]}")
        return response

    @pages.post("/claude/memory")
    def switch() -> BaseResponse:
        """Whether Claude takes notes: in this project for the user, or in all projects."""
        chosen = configuration.chosen(request.form.get("folder", ""))
        place = configuration.settings_places(chosen)[Scope.LOCAL if chosen.folder else Scope.USER]
        before = configuration.files.read(place)
        is_on = request.form.get("automatic") == "on"
        text = json_text.with_value(before.text, (SETTING,), is_on)
        configuration.save(place, text, before.revision, current_identity())
        response = redirect(url_for(".page", folder=chosen.reference or None), 303)
        flash(response, "memory-on" if is_on else "memory-off")
        return response

    def preview(chosen: ChosenProject, found: MemoryFile, error: str = "") -> str:
        shown = configuration.files.read(found.place)
        document = run_cpu_in_thread(front_matter.parse, shown.text)
        return render_template(
            "claude_memory/file.html",
            chosen=chosen,
            file=found,
            header=document.header,
            text=markdown.preview(document.body),
            revision=shown.revision,
            is_deletable=found.kind in DELETABLE and shown.exists,
            error=error,
        )

    return pages
