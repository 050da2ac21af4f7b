"""The page of the marketplaces: add one, update it, remove it."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.claude_plugins.errors import InvalidPlugin
from opcode_htmx.features.claude_plugins.service import Plugins
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed


def page_of(chosen: ChosenProject) -> str:
    """The address of the page."""
    return url_for("claude_plugins.marketplaces", folder=chosen.reference or None)


def add_to(pages: Blueprint, plugins: Plugins) -> None:
    """The routes of the page."""
    configuration = plugins.configuration

    @pages.get("/claude/plugins/marketplaces")
    def marketplaces() -> str:
        return marketplaces_page(request.args.get("folder", ""))

    @pages.post("/claude/plugins/marketplaces")
    def add_marketplace() -> BaseResponse | tuple[str, int]:
        form = request.form
        source, folder = form.get("source", "")[:2000], form.get("folder", "")
        chosen = configuration.chosen(folder)
        back = page_of(chosen)
        try:
            act = plugins.add_marketplace(source, chosen, back, current_identity())
        except InvalidPlugin as error:
            return marketplaces_page(folder, source, str(error)), 422
        return redirect(url_for("claude.act", act_id=act.id), 303)

    @pages.post("/claude/plugins/marketplaces/<name>/<verb>")
    def change_marketplace(name: str, verb: str) -> BaseResponse | tuple[str, int]:
        folder = request.form.get("folder", "")
        chosen = configuration.chosen(folder)
        back = page_of(chosen)
        try:
            act = plugins.on_marketplace(verb, name, chosen, back, current_identity())
        except InvalidPlugin as error:
            return marketplaces_page(folder, error=str(error)), 422
        return redirect(url_for("claude.act", act_id=act.id), 303)

    def marketplaces_page(folder: str, source: str = "", error: str = "") -> str:
        chosen = configuration.chosen(folder)
        listing = plugins.listing(chosen)
        return render_template(
            "claude_plugins/marketplaces.html",
            chosen=chosen,
            listing=listing,
            counts=listing.counts(),
            source=source,
            error=error,
            notice=flashed(),
        )
