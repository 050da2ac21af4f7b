"""Rename, export, share, search and delete a session, and record how far it was read.

Forms and links work without JavaScript; nothing here needs a running process.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from flask import (
    Blueprint,
    Response,
    abort,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import titles
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.surrogates import encoded
from opcode_htmx.rendering import search, to_markdown
from opcode_htmx.sessions.export.exporter import Format, SessionExporter
from opcode_htmx.sessions.lookup import (
    NOTHING_NOTED,
    NoHistory,
    SessionLookup,
)
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.trash import Trash
from opcode_htmx.sessions.views import SessionView, SessionViews
from opcode_htmx.transcript.blocks import (
    Block,
    PromptBlock,
    SummaryBlock,
    TextBlock,
    ThinkingBlock,
)
from opcode_htmx.transcript.conversation import history_position
from opcode_htmx.transcript.conversation.branches import top_of
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.disposition import download
from opcode_htmx.web.http.forms import BadForm, block_url, found_url, session_address, session_url
from opcode_htmx.web.http.way_back import lists_sessions

HITS = 200

_ELEMENT = late_pattern(r"b-[A-Za-z0-9_-]{1,80}")


def blueprint(
    lookup: SessionLookup,
    views: SessionViews,
    read_positions: ReadPositions,
    trash: Trash,
    exporter: SessionExporter,
) -> Blueprint:
    pages = Blueprint(
        "session_admin", __name__, url_prefix="/projects/<project_id>/sessions/<session_id>"
    )

    def load(project_id: str, session_id: str) -> tuple[SessionView, list[Block]]:
        view = lookup.read(project_id, session_id, whole=True)
        return view, list(view.conversation.blocks())

    def with_turn(
        project_id: str, session_id: str, block_id: str
    ) -> tuple[SessionView, list[Block], Block]:
        """A block, and the blocks among which its turn is: of a long session not all of them."""
        view = lookup.read_with(project_id, session_id, block_id)
        block = view.conversation.block(block_id) or abort(404)
        blocks = view.conversation.turn_of(block)
        if blocks is not None:
            return view, blocks, block
        view, blocks = load(project_id, session_id)
        return view, blocks, view.conversation.block(block_id) or abort(404)

    def title(project_id: str, session_id: str, view: SessionView) -> str:
        return lookup.title_or_prompt(project_id, session_id, view)

    def history_file(project_id: str, session_id: str) -> Path:
        path = lookup.history_file(project_id, session_id)
        if path is None:
            raise NoHistory(NOTHING_NOTED)
        return path

    # --- names ------------------------------------------------------------------------------

    @pages.post("/rename")
    def rename(project_id: str, session_id: str) -> BaseResponse:
        name = " ".join(request.form.get("title", "").split())
        if not name:
            raise BadForm("Write a name first.")
        if len(name) > titles.LONGEST:
            raise BadForm(f"The name is longer than {titles.LONGEST} characters.")
        titles.set_title(history_file(project_id, session_id), session_id, name)
        log_act(current_identity(), "session.rename", session=session_id)
        return redirect(session_url(project_id, session_id), 303)

    # --- exporting and sharing --------------------------------------------------------------

    @pages.get("/export.md", defaults={"ending": "md"})
    @pages.get("/export.html", defaults={"ending": "html"})
    @pages.get("/export.jsonl", defaults={"ending": "jsonl"})
    def export(project_id: str, session_id: str, ending: Format) -> Response:
        exported = exporter.export(project_id, session_id, ending)
        return download(exported.content, exported.media_type, exported.file_name)

    @pages.get("/blocks/<block_id>/share")
    def share(project_id: str, session_id: str, block_id: str) -> str:
        """A block's link and its text, in fields to copy from."""
        view, blocks, block = with_turn(project_id, session_id, block_id)
        is_end = isinstance(block, SummaryBlock)  # which stands for all of the answer
        if is_end:
            block = last_text(blocks, block) or block
        top = top_of(blocks, block)
        whole = to_markdown.answer(blocks, top.id)
        own = whole if is_end and whole else to_markdown.source(block).strip()
        address = session_address(project_id, session_id)
        return render_template(
            "session_admin/share.html",
            title=title(project_id, session_id, view),
            address=address,
            link=f"{request.host_url.rstrip('/')}{block_url(address, block, top)}",
            block_address=block_url(address, block, top),
            block=block,
            own=own,
            answer=whole if whole != own else "",
            fork=top.id if history_position.can_fork(top) else "",
            fork_in_front=isinstance(top, PromptBlock),
        )

    @pages.get("/blocks/<block_id>/source")
    def block_source(project_id: str, session_id: str, block_id: str) -> Response:
        view = lookup.read_with(project_id, session_id, block_id)
        block = view.conversation.block(block_id) or abort(404)
        return Response(encoded(to_markdown.source(block)), mimetype="text/plain")

    # --- searching and reading --------------------------------------------------------------

    @pages.get("/search")
    @lists_sessions("Back to what was found")
    def find(project_id: str, session_id: str) -> str:
        query = request.args.get("q", "").strip()
        view, blocks = load(project_id, session_id)
        hits = list(islice(search.find(reversed(blocks), query), HITS + 1))
        address = session_address(project_id, session_id)
        return render_template(
            "session_admin/search.html",
            title=title(project_id, session_id, view),
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

    # --- deleting ---------------------------------------------------------------------------

    @pages.post("/delete")
    def delete(project_id: str, session_id: str) -> BaseResponse:
        path = lookup.history_file(project_id, session_id)
        view = lookup.read(project_id, session_id)
        listed = lookup.locations.project_id(lookup.at(project_id, session_id))
        deleted = trash.put(session_id, project_id, title(project_id, session_id, view), path)
        log_act(current_identity(), "session.delete", session=session_id, trash=deleted.id)
        views.forget(session_id)
        # a shared folder may hold others
        remaining = lookup.locations.first_known(listed, project_id)
        if not remaining:
            return redirect(url_for("home.page", deleted=deleted.id), 303)
        return redirect(url_for("projects.project", project_id=remaining, deleted=deleted.id), 303)

    return pages


def last_text(blocks: Sequence[Block], end: Block) -> Block | None:
    """The last text of the turn that ends with the block `end`; None if there is none."""
    found = None
    for block in blocks:
        if block.id == end.id:
            break
        if isinstance(block, PromptBlock):
            found = None
        elif isinstance(block, TextBlock) and not isinstance(block, ThinkingBlock):
            found = block
    return found
