"""The images and files of a session, each at an address of its own; a page for each image."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from flask import Blueprint, Response, abort, render_template

from opcode_htmx.engines.contents import Content, ImageContent
from opcode_htmx.features.session_page import selection
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.transcript.blocks import PromptBlock, RawBlock, ToolBlock
from opcode_htmx.transcript.content import images, other_content
from opcode_htmx.transcript.conversation.branches import top_of
from opcode_htmx.web.http.disposition import save_as
from opcode_htmx.web.http.forms import session_address

_HARMLESS = late_pattern(r"application/pdf|(?:audio|video)/[a-z0-9.-]{1,40}")


def blueprint(lookup: SessionLookup) -> Blueprint:
    pages = Blueprint("session_images", __name__)

    def contents_of(project_id: str, session_id: str, block_id: str) -> Sequence[Content]:
        """The content of a prompt, a tool result or a message, in its order."""
        block = lookup.read_with(project_id, session_id, block_id).conversation.block(block_id)
        if isinstance(block, PromptBlock):
            return block.attached
        return block.parts if isinstance(block, ToolBlock | RawBlock) else ()

    def images_of(
        project_id: str, session_id: str, block_id: str
    ) -> list[tuple[ImageContent, images.ShownImage | None]]:
        """The images of a block; None with those that a page must not show."""
        parts = contents_of(project_id, session_id, block_id)
        found = [part for part in parts if isinstance(part, ImageContent)]
        return [(each, images.shown_image(each)) for each in found]

    @pages.get("/projects/<project_id>/sessions/<session_id>/blocks/<block_id>/images/<int:number>")
    def image(project_id: str, session_id: str, block_id: str, number: int) -> Response:
        """One image of a prompt or tool result; its first bytes decide on the media type."""
        found = images_of(project_id, session_id, block_id)
        content, shown = found[number] if number < len(found) else (None, None)
        if content is None or shown is None:
            abort(404)
        response = Response(images.data(content), mimetype=shown.media_type)
        # The content of a session does not change
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return response

    @pages.get(
        "/projects/<project_id>/sessions/<session_id>/blocks/<block_id>/images/<int:number>/view"
    )
    def image_page(project_id: str, session_id: str, block_id: str, number: int) -> str:
        """One image on a page of its own, which can be enlarged with two fingers."""
        found = images_of(project_id, session_id, block_id)
        content, shown = found[number] if number < len(found) else (None, None)
        if content is None or shown is None:
            abort(404)
        view = lookup.read_with(project_id, session_id, block_id)
        block = view.conversation.block(block_id)
        blocks = selection.of(view.conversation, block)
        before = [other for other, (_, seen) in enumerate(found[:number]) if seen]
        after = [other for other, (_, seen) in enumerate(found) if seen and other > number]
        session = session_address(project_id, session_id)
        top = quote(top_of(blocks, block).id if block else "", safe="")
        return render_template(
            "session_page/image.html",
            title=lookup.title_or_prompt(project_id, session_id, view),
            number=number + 1,
            total=len(found),
            seen=shown,
            size=len(images.data(content)),
            file_name=f"image-{number + 1}.{shown.media_type.partition('/')[2]}",
            previous=before[-1] if before else None,
            next=after[0] if after else None,
            address=f"{session}/blocks/{quote(block_id, safe='')}/images",
            block_address=f"{session}?from={top}#{dom_id(block_id)}",
        )

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
