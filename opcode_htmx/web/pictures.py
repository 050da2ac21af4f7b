"""The images of a session, each at an address of its own."""

from __future__ import annotations

from flask import Blueprint, Response, abort

from ..view import images
from ..view.blocks import PromptBlock, ToolBlock
from .pages import SessionLookup


def blueprint(lookup: SessionLookup) -> Blueprint:
    pictures = Blueprint("pictures", __name__)

    @pictures.get(
        "/projects/<project_id>/sessions/<session_id>/blocks/<block_id>/images/<int:number>"
    )
    def picture(project_id: str, session_id: str, block_id: str, number: int) -> Response:
        """One image of a prompt or of a tool's result, as what its first bytes say that it is."""
        conversation = lookup.screen(project_id, session_id).conversation
        conversation.refresh()
        block = conversation.block(block_id)
        if not isinstance(block, PromptBlock | ToolBlock) or number >= len(block.images):
            abort(404)
        image = block.images[number]
        found = images.picture(image)
        if found is None:
            abort(404)
        response = Response(images.data(image), mimetype=found.media_type)
        # What a session has said does not change
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return response

    return pictures
