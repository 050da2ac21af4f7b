"""Search one session, and record how far it was read."""

from __future__ import annotations

from itertools import islice

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.rendering import search
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.web.http.forms import found_url, session_address, session_url
from opcode_htmx.web.http.way_back import lists_sessions

HITS = 200

_ELEMENT = late_pattern(r"b-[A-Za-z0-9_-]{1,80}")


def add_to(pages: Blueprint, lookup: SessionLookup, read_positions: ReadPositions) -> None:
    @pages.get("/search")
    @lists_sessions("Back to what was found")
    def find(project_id: str, session_id: str) -> str:
        query = request.args.get("q", "").strip()
        view = lookup.read(project_id, session_id, whole=True)
        blocks = list(view.conversation.blocks())
        hits = list(islice(search.find(reversed(blocks), query), HITS + 1))
        address = session_address(project_id, session_id)
        return render_template(
            "session_admin/search.html",
            title=lookup.title_or_prompt(project_id, session_id, view),
            address=address,
            query=query,
            hits=[(hit, found_url(address, hit.block, hit.top, text=query)) for hit in hits[:HITS]],
            more=len(hits) > HITS,
        )

    @pages.post("/seen")
    def seen(project_id: str, session_id: str) -> BaseResponse:
        """Record that the person views the session; `block` is the newest element read."""
        lookup.at(project_id, session_id)  # or it is 404
        block = request.form.get("block", "")
        read_positions.look(session_id, block if _ELEMENT.fullmatch(block) else "")
        if "quiet" in request.form:
            return Response(status=204)
        return redirect(session_url(project_id, session_id, lookup.place(session_id)), 303)
