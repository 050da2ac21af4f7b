"""Render blocks as HTML: a whole transcript, or the fragments that update a page.

An update consists of `<hx-upsert>` elements: an element replaces the one with the same id, or is
inserted by its `data-order`. So fragments are idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.engines.messages import ElicitationRequest
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, run_cpu_in_thread
from opcode_htmx.markup import ansi, diff
from opcode_htmx.markup.addresses import bare_urls, loopback
from opcode_htmx.markup.addresses.places import OF_SESSION
from opcode_htmx.markup.growing.incremental_markdown import render_complete
from opcode_htmx.markup.growing.part import Part
from opcode_htmx.markup.growing.pieces import Piece
from opcode_htmx.markup.markdown import preview, with_source
from opcode_htmx.markup.omissions import omits_words
from opcode_htmx.markup.visible_text import ALIGNED_BLANKS, placeholder, visible_text
from opcode_htmx.rendering import clock, tool_cards
from opcode_htmx.rendering.asks import elicitations, permission_details, permissions
from opcode_htmx.rendering.asks.questions import LONGEST_ASKED, brief, questions_of
from opcode_htmx.rendering.cards.parts import first_line
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.transcript.blocks import Block, BranchBlock, TextBlock
from opcode_htmx.transcript.content import images, other_content
from opcode_htmx.transcript.content.downloads import File
from opcode_htmx.transcript.content.raw import is_complete, log_failure, raw_text
from opcode_htmx.transcript.content.weight import FEW, is_heavy
from opcode_htmx.transcript.conversation.conversation import Change


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


def load_macros(environment: Environment) -> None:
    """Load the macros of blocks before a page needs them; they may have to be compiled."""
    _macros_of(environment)


@lru_cache(maxsize=4)
def _macros_of(environment: Environment) -> Any:
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
            "short_verdict_of": permissions.short_verdict,
            "introduction": permission_details.introduction,
            "other_fields": permission_details.other_fields,
            "extent_of": permission_details.extent_of,
            "is_complete": is_complete,
            "dollars": _dollars,
            "duration": _duration,
        }
    )


class Fragments:
    """Renders the blocks of one session."""

    def __init__(
        self,
        environment: Environment,
        project: str,
        address: str,
        cut: Callable[[str], tool_cards.CutText] = tool_cards.cut,
        *,
        allow_bypass: bool = False,
    ) -> None:
        """`project` is the session's folder, `address` the URL path of its page.

        `cut` shortens long texts; `allow_bypass` says whether bypass mode may be offered.
        """
        self._macros = _macros_of(environment)
        self._context = RenderContext(project, address, cut, allow_bypass)

    def block(self, block: Block) -> Markup:
        """The HTML of one block; rendered once for all viewers."""
        version = block.version
        if block.html is None or block.html[0] != version:
            html = self._render_safely(block)
            # If the block has changed meanwhile, the next call renders it again
            block.html = (version, html)
        return block.html[1]

    def render(self, blocks: Iterable[Block]) -> None:
        """Render blocks in advance; other greenlets run in between."""
        slicer = TimeSlicer()
        for _ in self.prepare(Change(block, -1) for block in blocks):
            slicer.step()

    def prepare(self, changes: Iterable[Change]) -> Iterator[None]:
        """Render in advance what `changes` will need, one piece in each step of the iterator."""
        for change in changes:
            yield from render_parts(change.block, change.since)
            if not _sent_in_parts(change):
                self.block(change.block)
                yield

    def changes(self, changes: Iterable[Change]) -> Markup:
        """The out-of-band fragments for a page that lacks `changes`; empty if there are none."""
        upserts: list[_Upsert] = []
        sent: set[str] = set()
        moved: dict[str, None] = {}
        for change in changes:
            block = change.block
            moved |= dict.fromkeys(map(dom_id, change.moves))
            if block.id in sent:
                continue
            if block.parent in sent:
                sent.add(block.id)  # part of its parent's HTML
                continue
            if isinstance(block, TextBlock) and _sent_in_parts(change):
                upserts += _of_parts(block, change.since)
                continue
            sent |= {block.id, *(_ids_inside(block) if isinstance(block, BranchBlock) else ())}
            container = f"{dom_id(block.parent)}-children" if block.parent else "transcript"
            upserts.append(_Upsert(container, blocks=[self.block(block)]))
        if sum(map(_Upsert.size, upserts)) > FEW:
            return run_cpu_in_thread(self._call_macro, "upserts", moved, upserts)
        return self._call_macro("upserts", moved, upserts)

    def _render_safely(self, block: Block) -> Markup:
        """The HTML of a block; its raw data if it cannot be rendered.

        A single block must not break the page, the socket or the export that contains it.
        """
        try:
            return self._render(block)
        except Exception:
            log_failure(block, "rendered")
            return self._call_macro("unrenderable", block, raw_text(block), self.block)

    def _render(self, block: Block) -> Markup:
        """Render a block; a heavy one in a thread."""
        if is_heavy(block):
            return run_cpu_in_thread(self._call_macro, "block", block, self.block)
        return self._call_macro("block", block, self.block)

    def _call_macro(self, macro: str, *arguments: object) -> Markup:
        token = _context.set(self._context)
        try:
            html: Markup = getattr(self._macros, macro)(*arguments)
            return html
        finally:
            _context.reset(token)


def _ids_inside(block: Block) -> Iterator[str]:
    for child in block.children:
        yield child.id
        yield from _ids_inside(child)


def _sent_in_parts(change: Change) -> bool:
    return isinstance(change.block, TextBlock) and change.block.created <= change.since


class _Upsert(NamedTuple):
    """Elements for one element of the page: whole blocks, parts of a text, or pieces of a part."""

    target: str
    blocks: Sequence[Markup] = ()
    parts: Sequence[tuple[str, int, Part]] = ()
    part: str = ""
    """The id of the element of the part that has the pieces."""
    pieces: Sequence[tuple[int, Piece]] = ()

    def size(self) -> int:
        return len(self.blocks) + len(self.parts) + len(self.pieces)


def _of_parts(block: TextBlock, since: int) -> Iterator[_Upsert]:
    """What has changed of the parts of a text; the page has the block."""
    block_id = dom_id(block.id)
    whole: list[tuple[str, int, Part]] = []
    for number, part in enumerate(block.markdown.parts):
        if part.revision <= since:
            continue
        part_id, pieces = f"{block_id}-{number}", part.pieces
        if pieces and pieces.since <= since:
            new = [each for each in pieces.numbered() if each[1].revision > since]
            yield _Upsert(f"{part_id}-in", part=part_id, pieces=new)
        else:
            whole.append((part_id, number, part))
    if whole:
        yield _Upsert(f"{block_id}-parts", parts=whole)


def render_parts(block: Block, since: int) -> Iterator[None]:
    """Render the texts of a block and of its children, one part in each step of the iterator."""
    for child in block.children:
        yield from render_parts(child, since)
    for part in block.markdown.parts if isinstance(block, TextBlock) else ():
        if part.revision > since:
            yield from part.render(since)


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
