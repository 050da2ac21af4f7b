"""The search page, and the way from a text that was found to its message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.features.search.filters import ROLES
from opcode_htmx.features.search.page import SearchPage
from opcode_htmx.sessions.index.terms import LONGEST_QUERY
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.views import SessionView
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.conversation.branches import top_of
from opcode_htmx.web.http.forms import block_url, found_url, session_address, session_url
from opcode_htmx.web.http.way_back import lists_sessions


def blueprint(page: SearchPage, lookup: SessionLookup) -> Blueprint:
    pages = Blueprint("search", __name__)

    @pages.get("/search", endpoint="page")
    @lists_sessions("Back to what was found")
    def search() -> str:
        if request.headers.get("X-Part") == "found":  # search.js, while a person types
            results = page.results(request.args, with_choices=False)
            return render_template("search/part.html", results=results)
        return render_template(
            "search/search.html",
            results=page.results(request.args),
            form=request.args,
            roles=ROLES,
            is_on=page.is_on,
        )

    @pages.get("/projects/<project_id>/sessions/<session_id>/line/<uuid>")
    def line(project_id: str, session_id: str, uuid: str) -> BaseResponse:
        """Redirect to the message that a line of the history file belongs to."""
        call = request.args.get("call", "")
        blocks, block = _find(lookup.read(project_id, session_id), call, uuid)
        if block is None:  # it may be before the end of a long session
            blocks, block = _find(lookup.read(project_id, session_id, whole=True), call, uuid)
        if block is None:  # such as one of an answer that was rewound
            if not SESSION_ID.fullmatch(uuid):
                abort(404, description="There is no message with this id.")
            return redirect(session_url(project_id, session_id), 303)
        address = session_address(project_id, session_id)
        top, words = top_of(blocks, block), request.args.get("q", "")[:LONGEST_QUERY]
        if words:
            in_output = {"output": "1"} if "output" in request.args else {}
            return redirect(found_url(address, block, top, q=words, **in_output), 303)
        return redirect(block_url(address, block, top), 303)

    return pages


def _find(view: SessionView, call: str, uuid: str) -> tuple[list[Block], Block | None]:
    """The blocks of a view, and the one of a call, or else of the line with a uuid."""
    blocks = list(view.conversation.blocks())
    known = view.conversation.block(call) if call else None
    return blocks, known or _of_line(blocks, uuid)


def _of_line(blocks: Iterable[Block], uuid: str) -> Block | None:
    return next((each for each in _all(blocks) if uuid and each.line_uuid == uuid), None)


def _all(blocks: Iterable[Block]) -> Iterator[Block]:
    for each in blocks:
        yield each
        yield from _all(each.children)
