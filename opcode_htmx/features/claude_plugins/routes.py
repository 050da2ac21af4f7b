"""The pages of the plugins: those installed and available, and one with what it brings."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config.plugin_contents import RUNNING
from opcode_htmx.features.claude_plugins.errors import InvalidPlugin, PluginChanged
from opcode_htmx.features.claude_plugins.service import NO_PLUGIN, SCOPES, Plugins, is_found
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed

MOST_PROJECTS = 50
MOST_SHOWN = 100
"""Available plugins; the search finds the others."""


def page_after(verb: str, plugin_id: str, chosen: ChosenProject) -> str:
    """The address of the page to go on from once an act on a plugin has ended."""
    folder = chosen.reference or None
    if verb == "uninstall":
        return url_for("claude_plugins.page", folder=folder)
    return url_for("claude_plugins.plugin", plugin_id=plugin_id, folder=folder)


def blueprint(plugins: Plugins) -> Blueprint:
    pages = Blueprint("claude_plugins", __name__)
    configuration = plugins.configuration

    @pages.get("/claude/plugins")
    def page() -> str:
        chosen = configuration.chosen(request.args.get("folder", ""))
        words = request.args.get("q", "")[:200]
        listing = plugins.listing(chosen)
        found = [each for each in listing.available if is_found(each, words)]
        return render_template(
            "claude_plugins/plugins.html",
            chosen=chosen,
            projects=project_choices(configuration.workspace, MOST_PROJECTS),
            installed=[e for e in plugins.here(chosen, listing) if is_found(e, words)],
            available=found[:MOST_SHOWN],
            left_out=len(found) - MOST_SHOWN,
            listing=listing,
            words=words,
            notice=flashed(),
        )

    @pages.get("/claude/plugins/of/<plugin_id>")
    def plugin(plugin_id: str) -> str:
        return plugin_page(plugin_id, request.args.get("folder", ""))

    @pages.post("/claude/plugins/of/<plugin_id>/<verb>")
    def act(plugin_id: str, verb: str) -> BaseResponse | tuple[str, int]:
        form = request.form
        folder = form.get("folder", "")
        chosen = configuration.chosen(folder)
        try:
            begun = plugins.begin(
                verb,
                plugin_id,
                form.get("scope", ""),
                form.get("digest", ""),
                chosen,
                page_after(verb, plugin_id, chosen),
                current_identity(),
            )
        except PluginChanged as error:
            return plugin_page(plugin_id, folder, str(error)), 409
        except InvalidPlugin as error:
            return plugin_page(plugin_id, folder, str(error)), 422
        return redirect(url_for("claude.act", act_id=begun.id), 303)

    def plugin_page(plugin_id: str, folder: str, error: str = "") -> str:
        chosen = configuration.chosen(folder)
        found = plugins.view(chosen, plugin_id)
        if found is None:
            abort(404, description=NO_PLUGIN)
        taken = {each.scope for each in found.installed}
        return render_template(
            "claude_plugins/plugin.html",
            chosen=chosen,
            plugin=found,
            error=error,
            scopes=SCOPES,
            free={s: words for s, words in plugins.scopes(chosen).items() if s not in taken},
            running=RUNNING,
            notice=flashed(),
        )

    return pages
