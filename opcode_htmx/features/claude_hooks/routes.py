"""The pages of the hooks: the list, what to start from, and the switch for all of them."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.features.claude_hooks import form_routes
from opcode_htmx.features.claude_hooks.form_routes import scope_named
from opcode_htmx.features.claude_hooks.service import HookEditor
from opcode_htmx.features.claude_hooks.starters import STARTERS
from opcode_htmx.features.claude_hooks.trial import routes as trial_routes
from opcode_htmx.lib.files.versioned_files import FileChanged, FileRefused
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice

MOST_PROJECTS = 50


def blueprint(configuration: Configuration, variables: Mapping[str, str]) -> Blueprint:
    """`variables` is the environment of Claude's processes, in which hooks are tried."""
    pages = Blueprint("claude_hooks", __name__)
    form_routes.add_to(pages, configuration)
    trial_routes.add_to(pages, configuration, variables)

    @pages.get("/claude/hooks")
    def page() -> str:
        return list_page(chosen_by(request.args))

    @pages.get("/claude/hooks/add")
    def add() -> str:
        editor = chosen_by(request.args)
        return render_template(
            "claude_hooks/add.html",
            chosen=editor.chosen,
            event=request.args.get("event", "")[:100],
            kinds=editor.kinds,
            starters=STARTERS.values(),
        )

    @pages.post("/claude/hooks/switch")
    def switch() -> BaseResponse | tuple[str, int]:
        form = request.form
        editor = chosen_by(form)
        scope = scope_named(form.get("scope", ""), editor.places)
        off = form.get("hooks") == "off"
        based_on = form.get(f"revision_{scope}", "")
        try:
            editor.switch(editor.places[scope], based_on, current_identity(), off)
        except FileChanged as error:
            return list_page(editor, f"{error} Nothing was saved: look again, and switch."), 409
        except (FileRefused, InvalidJson) as error:
            return list_page(editor, str(error)), 422
        return redirect_with_notice(
            url_for(".page", folder=editor.chosen.reference or None),
            "hooks-off" if off else "hooks-on",
        )

    def chosen_by(given: MultiDict[str, str]) -> HookEditor:
        return HookEditor(configuration, configuration.chosen(given.get("folder", "")))

    def list_page(editor: HookEditor, error: str = "") -> str:
        return render_template(
            "claude_hooks/hooks.html",
            chosen=editor.chosen,
            projects=project_choices(configuration.workspace, MOST_PROJECTS),
            report=editor.report,
            listing=editor.listing(),
            places=editor.places,
            revisions=editor.revisions(),
            error=error,
            notice=flashed()[0],
        )

    return pages
