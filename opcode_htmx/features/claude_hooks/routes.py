"""The pages of the hooks: the list, what to start from, and the switch for all of them."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.features.claude_hooks import form_routes
from opcode_htmx.features.claude_hooks.form_routes import revision_of, scope_named
from opcode_htmx.features.claude_hooks.service import HookEditor
from opcode_htmx.features.claude_hooks.starters import STARTERS
from opcode_htmx.features.claude_hooks.trial import routes as trial_routes
from opcode_htmx.lib.files.versioned_files import FileChanged, FileRefused
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flash, flashed

MOST_PROJECTS = 50


def blueprint(configuration: Configuration, variables: Mapping[str, str]) -> Blueprint:
    """`variables` is the environment of Claude's processes, in which hooks are tried."""
    pages = Blueprint("claude_hooks", __name__)
    editor = HookEditor(configuration)
    form_routes.add_to(pages, configuration, editor)
    trial_routes.add_to(pages, configuration, editor, variables)

    @pages.get("/claude/hooks")
    def page() -> str:
        return list_page(configuration.chosen(request.args.get("folder", "")))

    @pages.get("/claude/hooks/add")
    def add() -> str:
        return render_template(
            "claude_hooks/add.html",
            chosen=configuration.chosen(request.args.get("folder", "")),
            event=request.args.get("event", "")[:100],
            kinds=editor.kinds,
            starters=STARTERS.values(),
        )

    @pages.post("/claude/hooks/switch")
    def switch() -> BaseResponse | tuple[str, int]:
        form = request.form
        chosen = configuration.chosen(form.get("folder", ""))
        places = configuration.settings_places(chosen)
        scope = scope_named(form.get("scope", ""), places)
        off = form.get("hooks") == "off"
        based_on = form.get(f"revision_{scope}", "")
        try:
            editor.switch(chosen, places[scope], based_on, current_identity(), off)
        except FileChanged as error:
            return list_page(chosen, f"{error} Nothing was saved: look again, and switch."), 409
        except (FileRefused, InvalidJson) as error:
            return list_page(chosen, str(error)), 422
        response = redirect(url_for(".page", folder=chosen.reference or None), 303)
        flash(response, "hooks-off" if off else "hooks-on")
        return response

    def list_page(chosen: ChosenProject, error: str = "") -> str:
        places = configuration.settings_places(chosen)
        return render_template(
            "claude_hooks/hooks.html",
            chosen=chosen,
            projects=project_choices(configuration.workspace, MOST_PROJECTS),
            report=configuration.report(chosen),
            listing=editor.listing(chosen),
            places=places,
            revisions={scope: revision_of(configuration, place) for scope, place in places.items()},
            error=error,
            notice=flashed()[0],
        )

    return pages
