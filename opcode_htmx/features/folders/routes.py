"""The page on which a folder is chosen by tapping. It leads back to any page that asks for one.

`next` is the address of that page: it gets the chosen folder as its parameter `folder`. So a page
uses the picker by a link, and folders.js shows the same page in a sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.folders.picker import (
    MOST_PROJECTS,
    MOST_RECENT,
    FolderPicker,
    PickerView,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.runs.policies.working_folders import InvalidFolder, reference
from opcode_htmx.sessions.folder_labels import shortened
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.server.base_path import start_page

QUERY_CHARACTERS = 12_288
"""Of a path, with its bytes escaped."""
LONGEST_CHOSEN = 1000
"""Bytes of a chosen path that is carried along: a request line has 4094 in all, and a path needs up
to three of them for a byte. Without it the page that is led back to knows it from its draft."""
_KEPT = ("next", "chosen", "name", "hidden")
"""Parameters that are the same on each page of the picker."""


def blueprint(picker: FolderPicker) -> Blueprint:
    pages = Blueprint("folders", __name__)

    @pages.get("/folders")
    def browse() -> str:
        return _page(picker, request.args)

    @pages.post("/folders")
    def make() -> Response:
        """Make a folder, and choose it."""
        form = request.form
        try:
            folder = picker.make(form.get("in", ""), form.get("name", ""))
        except InvalidFolder as error:
            return make_response(_page(picker, form, str(error)), 422)
        log_act(current_identity(), "folder.make", folder=reference(folder))
        return redirect(_chosen_address(_next(form), reference(folder)), 303)

    return pages


def _page(picker: FolderPicker, given: Mapping[str, str], error: str = "") -> str:
    text = {
        key: given.get(key, "")[:QUERY_CHARACTERS] for key in (*_KEPT, "in", "q", "recent", "roots")
    }
    text["next"] = _next(given)
    if len(quote(text["chosen"])) > LONGEST_CHOSEN:
        text["chosen"] = ""
    view = PickerView()
    if not text["roots"] or len(picker.folders.roots) < 2:
        name = text["name"] if request.method == "GET" else ""
        view = picker.view(
            text["in"], text["q"], text["chosen"], with_hidden=bool(text["hidden"]), name=name
        )
    is_first = not (text["in"] or text["q"] or text["roots"])
    recent = picker.recent(MOST_PROJECTS if text["recent"] else MOST_RECENT + 1) if is_first else []

    def address(**changes: str) -> str:
        given = {**{key: text[key] for key in _KEPT}, **changes}
        query = urlencode([each for each in given.items() if each[1]])
        return f"{url_for('folders.browse')}?{query}"

    return render_template(
        "folders/folders.html",
        view=view,
        error=error or view.error,
        new_name=text["name"] if error else view.new_name,
        text=text,
        recent=recent if text["recent"] else recent[:MOST_RECENT],
        has_more=len(recent) > MOST_RECENT and not text["recent"],
        crumbs=picker.crumbs(view.path) if view.path else [],
        roots=picker.roots() if len(picker.folders.roots) > 1 else [],
        shortened=shortened,
        reference=reference,
        address=address,
        cancel=_chosen_address(text["next"], text["chosen"]) if text["chosen"] else text["next"],
        choose=lambda folder: _chosen_address(text["next"], reference(folder)),
        here=reference(view.path) if view.path else "",
    )


def _next(given: Mapping[str, str]) -> str:
    """The address to lead back to."""
    target = local_path(given.get("next", "").partition("#")[0])
    return url_for("new_session.new") if target == start_page() else target


def _chosen_address(target: str, folder: str) -> str:
    """The address of a page with the chosen folder among its parameters."""
    path, _, query = target.partition("?")
    return f"{path}?{'&'.join(filter(None, (query, urlencode({'folder': folder}))))}"
