"""Template globals with which pages of other features show the buttons of this one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, current_app, g, request
from markupsafe import Markup

from opcode_htmx.features.commits.pages import common
from opcode_htmx.web.http.forms import by_htmx
from opcode_htmx.web.server.base_path import own_full_path


def add_to(pages: Blueprint) -> None:
    """Add `file_actions`, `hunk_actions` and `change_actions` for all templates.

    A `side` is "unstaged" or "staged"; for any other one there are no buttons. A form leads back to
    the page that it is on.
    """

    @pages.app_template_global("file_actions")
    def file_actions(project_id: str, path: str, side: str) -> Markup:
        return _call("file_actions", project_id, path, side, _here())

    @pages.app_template_global("hunk_actions")
    def hunk_actions(project_id: str, path: str, side: str, hunk: Any) -> Markup:
        """`hunk` has an `id`."""
        return _call("hunk_actions", project_id, path, side, hunk, _here())

    @pages.app_template_global("change_actions")
    def change_actions(project_id: str) -> Markup:
        return _call("change_actions", project_id, _here(), common.notice())


def _here() -> str:
    """The page that the person sees, also where a part of it is rendered later."""
    if by_htmx():
        seen = urlsplit(request.headers.get("HX-Current-URL", ""))
        return f"{seen.path}?{seen.query}".rstrip("?")
    return own_full_path()


def _call(macro: str, *arguments: object) -> Markup:
    if "git_parts" not in g:  # a page may have a hundred hunks
        context: dict[str, Any] = {}
        current_app.update_template_context(context)
        template = current_app.jinja_env.get_template("commits/parts.html")
        g.git_parts = template.make_module(context)
    made: Markup = getattr(g.git_parts, macro)(*arguments)
    return made
