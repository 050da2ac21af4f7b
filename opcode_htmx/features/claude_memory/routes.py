"""The pages of the memory: all files, and one as Claude's readers see it."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config.documents import front_matter
from opcode_htmx.engines.claude.config.documents.kinds import InvalidName
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.files.versioned_files import FileChanged, FileRefused
from opcode_htmx.markup import markdown
from opcode_htmx.sessions.configuration import memory
from opcode_htmx.sessions.configuration.memory import DELETABLE, MemoryFile, RuleExists
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice

MOST_PROJECTS = 50


def blueprint(configuration: Configuration) -> Blueprint:
    pages = Blueprint("claude_memory", __name__)

    def named(name: str, folder: str) -> tuple[ChosenProject, MemoryFile]:
        chosen = configuration.chosen(folder)
        found = memory.find(configuration, chosen, name)
        if found is None:
            abort(404, description="There is no such file, or it needs a project.")
        return chosen, found

    @pages.get("/claude/memory")
    def page() -> str:
        return listing(configuration.chosen(request.args.get("folder", "")))

    def listing(chosen: ChosenProject, rule: str = "", error: str = "") -> str:
        """All files; `rule` is the name of a new one that was refused."""
        report = configuration.report(chosen)
        notice, about = flashed()
        return render_template(
            "claude_memory/memory.html",
            chosen=chosen,
            projects=project_choices(configuration.workspace, MOST_PROJECTS),
            report=report,
            memory=memory.memory_of(configuration, chosen, report),
            notice=notice,
            deleted=about.partition(" "),
            rule=rule,
            error=error,
        )

    @pages.post("/claude/rules")
    def make_rule() -> BaseResponse | tuple[str, int]:
        """Make an empty rule, and open the editor for it."""
        chosen, name = (
            configuration.chosen(request.form.get("folder", "")),
            request.form.get("name", ""),
        )
        scope = request.form.get("scope", "")
        try:
            made = memory.make_rule(configuration, chosen, scope, name, current_identity())
        except (InvalidName, FileRefused) as error:
            return listing(chosen, name, str(error)), 422
        except RuleExists as error:
            return listing(chosen, name, str(error)), 409
        where = url_for("claude_files.file", file_name=made.name, folder=chosen.reference or None)
        return redirect(where, 303)

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
        return redirect_with_notice(
            url_for(".page", folder=chosen.reference or None),
            "memory-deleted",
            f"{deleted.id} {found.title[:100]}",
        )

    @pages.post("/claude/memory")
    def switch() -> BaseResponse:
        """Whether Claude takes notes: in this project for the user, or in all projects."""
        chosen = configuration.chosen(request.form.get("folder", ""))
        is_on = request.form.get("automatic") == "on"
        memory.set_automatic(configuration, chosen, is_on, current_identity())
        return redirect_with_notice(
            url_for(".page", folder=chosen.reference or None),
            "memory-on" if is_on else "memory-off",
        )

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
