"""Export a session, and share one block of it: its link and its text."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, abort, render_template, request

from opcode_htmx.lib.surrogates import encoded
from opcode_htmx.rendering import to_markdown
from opcode_htmx.sessions.export.exporter import Format, SessionExporter
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.views import SessionView
from opcode_htmx.transcript.blocks import (
    Block,
    PromptBlock,
    SummaryBlock,
    TextBlock,
    ThinkingBlock,
)
from opcode_htmx.transcript.conversation import history_position
from opcode_htmx.transcript.conversation.branches import top_of
from opcode_htmx.web.http.disposition import download
from opcode_htmx.web.http.forms import block_url, session_address


def add_to(pages: Blueprint, lookup: SessionLookup, exporter: SessionExporter) -> None:
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
            title=lookup.title_or_prompt(project_id, session_id, view),
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

    def with_turn(
        project_id: str, session_id: str, block_id: str
    ) -> tuple[SessionView, list[Block], Block]:
        """A block, and the blocks among which its turn is: of a long session not all of them."""
        view = lookup.read_with(project_id, session_id, block_id)
        block = view.conversation.block(block_id) or abort(404)
        blocks = view.conversation.turn_of(block)
        if blocks is not None:
            return view, blocks, block
        view = lookup.read(project_id, session_id, whole=True)
        block = view.conversation.block(block_id) or abort(404)
        return view, list(view.conversation.blocks()), block


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
