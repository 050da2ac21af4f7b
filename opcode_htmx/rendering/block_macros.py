"""The template macros that render blocks, with the functions that they call."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.engines.messages import ElicitationRequest
from opcode_htmx.markup import ansi, diff
from opcode_htmx.markup.addresses import bare_urls, loopback
from opcode_htmx.markup.addresses.places import OF_SESSION
from opcode_htmx.markup.growing.incremental_markdown import render_complete
from opcode_htmx.markup.markdown import preview, with_source
from opcode_htmx.markup.omissions import omits_words
from opcode_htmx.markup.visible_text import ALIGNED_BLANKS, placeholder, visible_text
from opcode_htmx.rendering import clock, tool_cards
from opcode_htmx.rendering.asks import decisions, elicitations, permission_details, permissions
from opcode_htmx.rendering.asks.questions import LONGEST_ASKED, brief, questions_of
from opcode_htmx.rendering.cards.parts import first_line
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.content import images, other_content
from opcode_htmx.transcript.content.downloads import File
from opcode_htmx.transcript.content.raw import is_complete


class RenderContext(NamedTuple):
    """The session that a block is rendered for."""

    project: str
    """The folder of its session."""
    address: str
    """The URL path of the session's page; empty in an export."""
    cut: Callable[[str], tool_cards.CutText]
    allow_bypass: bool
    """Whether bypass mode may be offered."""
    opened: frozenset[str] = frozenset()
    """The ids of blocks whose details are open."""


_context: ContextVar[RenderContext] = ContextVar("render_context")
"""The context of the current rendering. The macros are shared by all sessions: they are many and
refer to one another, so macros per session would only be freed by the garbage collector."""


def load(environment: Environment) -> None:
    """Load the macros of blocks before a page needs them; they may have to be compiled."""
    of(environment)


@lru_cache(maxsize=4)
def of(environment: Environment) -> Any:
    """The module of the macros, which is shared by all sessions."""
    return environment.get_template("transcript/blocks.html").make_module(
        {
            "here": _context.get,
            "dom_id": dom_id,
            "markdown": partial(render_complete, places=OF_SESSION),
            "preview": preview,
            "asked_markdown": _asked_markdown,
            "asked_preview": _asked_preview,
            "cut": lambda text: _context.get().cut(text),
            "present": lambda name, tool_input, details: tool_cards.present(
                name, tool_input, details, _context.get().project
            ),
            "present_block": lambda block: tool_cards.present_block(block, _context.get().project),
            "terminal": ansi.spans,
            "with_links": bare_urls.split,
            "spans_with_links": bare_urls.split_spans,
            "is_loopback": loopback.is_loopback,
            "loopback_title": lambda: loopback.TITLE,
            "number_width": diff.number_width,
            "shown_lines": diff.SHOWN_LINES,
            "without_empty_runs": diff.without_empty_runs,
            "gap": placeholder,
            "first_line": first_line,
            "shown_image": images.shown_image,
            "image_address": _image_address,
            "file_address": _file_address,
            "parts_of": other_content.others,
            "all_parts_of": other_content.parts,
            "moment": clock.local_time,
            "machine_time": clock.iso_time,
            "questions_of": questions_of,
            "brief": brief,
            "longest_asked": LONGEST_ASKED,
            "elicitation_of": elicitations.elicitation_of,
            "is_elicitation": lambda request: isinstance(request, ElicitationRequest),
            "elicitation_verdict": elicitations.verdict,
            "sent_of": elicitations.sent,
            "suggestions_of": lambda request: permissions.offered(
                request, allow_bypass=_context.get().allow_bypass
            ),
            "is_plan": permissions.is_plan,
            "outside": lambda request: permissions.outside_path(request, _context.get().project),
            "verdict_of": permissions.verdict,
            "decision_of": decisions.decision,
            "short_decision_of": decisions.short_decision,
            "introduction": permission_details.introduction,
            "other_fields": permission_details.other_fields,
            "extent_of": permission_details.extent_of,
            "is_complete": is_complete,
            "dollars": _dollars,
            "duration": _duration,
        }
    )


def call(macros: Any, context: RenderContext, macro: str, *arguments: object) -> Markup:
    """The HTML that a macro makes in this context."""
    token = _context.set(context)
    try:
        html: Markup = getattr(macros, macro)(*arguments)
        return html
    finally:
        _context.reset(token)


def _image_address(block: Block, number: int, image: ImageContent, media_type: str) -> str:
    """The URL of an image; a data URL in an export."""
    if page := _context.get().address:
        return f"{page}/blocks/{quote(block.id, safe='')}/images/{number}"
    return f"data:{media_type};base64,{image.data}"


def _file_address(block: Block, number: int, file: File) -> str:
    """The URL of a download; a data URL in an export."""
    if page := _context.get().address:
        return f"{page}/blocks/{quote(block.id, safe='')}/files/{number}"
    return f"data:application/octet-stream;base64,{file.data}"


def _asked_markdown(text: str) -> Markup:
    """Markdown that the user decides about: hidden characters are shown, and omitted words."""
    shown = visible_text(text, lines=True)
    html = render_complete(shown, literal=True)
    return with_source(html, shown) if omits_words(shown, html) else html


def _asked_preview(text: str) -> Markup:
    """The preview of an answer; the columns of a drawing that fits on a phone stay aligned."""
    return preview(visible_text(text, lines=True, most_blanks=ALIGNED_BLANKS))


def _dollars(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 0.1 else f"${amount:.4f}"


def _duration(milliseconds: int) -> str:
    tenths = round(milliseconds / 100)
    if tenths < 600:
        return f"{tenths / 10:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s"
