"""The start page."""

from __future__ import annotations

import uuid

from flask import Blueprint, render_template, request

from opcode_htmx.features.home.service import Home
from opcode_htmx.sessions.storage.drafts import Drafts, draft_name
from opcode_htmx.sessions.storage.trash import Trash
from opcode_htmx.web.http.forms import whole_number
from opcode_htmx.web.http.way_back import lists_sessions

MOST_SKIPPED = 100_000


def blueprint(home: Home, trash: Trash, drafts: Drafts) -> Blueprint:
    pages = Blueprint("home", __name__)

    @pages.get("/", endpoint="page")
    @lists_sessions("Home")
    def start() -> str:
        """`from` is how many recent sessions come before this page; `select` is the mode with
        checkboxes: `all`, or the id of a session that is checked.
        """
        first = min(whole_number(request.args.get("from", "")) or 0, MOST_SKIPPED)
        if select := request.args.get("select", ""):
            return render_template(
                "home/select.html",
                first=first,
                listed=home.selectable(first, select),
                select=select,
            )
        page = render_template(
            "home/home.html",
            first=first,
            lists=home.lists(first),
            deleted=trash.find(request.args.get("deleted", "")),
            draft=drafts.get(draft_name("")),
            session_id=uuid.uuid4(),
            prompt_id=uuid.uuid4(),
        )
        home.read_ahead()
        return page

    return pages
