"""The images and files of a session, each at an address of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import Blueprint, Response, abort

from opcode_htmx.engines.messages import Content, ImageContent
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.transcript.blocks import PromptBlock, RawBlock, ToolBlock
from opcode_htmx.transcript.content import images, other_content
from opcode_htmx.web.http.disposition import save_as

_HARMLESS = re.compile(r"application/pdf|(?:audio|video)/[a-z0-9.-]{1,40}")


def blueprint(lookup: SessionLookup) -> Blueprint:
    pages = Blueprint("session_images", __name__)

    def contents_of(project_id: str, session_id: str, block_id: str) -> Sequence[Content]:
        """The content of a prompt, a tool result or a message, in its order."""
        conversation = lookup.view(project_id, session_id).conversation
        conversation.refresh()
        block = conversation.block(block_id)
        if isinstance(block, PromptBlock):
            return block.attached
        return block.parts if isinstance(block, ToolBlock | RawBlock) else ()

    @pages.get("/projects/<project_id>/sessions/<session_id>/blocks/<block_id>/images/<int:number>")
    def image(project_id: str, session_id: str, block_id: str, number: int) -> Response:
        """One image of a prompt or tool result; its first bytes decide on the media type."""
        parts = contents_of(project_id, session_id, block_id)
        found_images = [part for part in parts if isinstance(part, ImageContent)]
        if number >= len(found_images):
            abort(404)
        shown = images.shown_image(found_images[number])
        if shown is None:
            abort(404)
        response = Response(images.data(found_images[number]), mimetype=shown.media_type)
        # The content of a session does not change
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return response

    @pages.get("/projects/<project_id>/sessions/<session_id>/blocks/<block_id>/files/<int:number>")
    def file(project_id: str, session_id: str, block_id: str, number: int) -> Response:
        """Data from a message, as a download and never shown: it may be anything."""
        found = other_content.files(contents_of(project_id, session_id, block_id))
        if number >= len(found):
            abort(404)
        file = found[number]
        response = Response(file.content(), mimetype=_download_type(file.media_type))
        save_as(response, file.name)
        response.headers["Content-Security-Policy"] = "sandbox"
        return response

    return pages


def _download_type(media_type: str) -> str:
    """The media type of a download: its own only if browsers run nothing in it."""
    return media_type if _HARMLESS.fullmatch(media_type) else "application/octet-stream"
