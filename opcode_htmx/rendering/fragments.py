"""Render blocks as HTML: a whole transcript, or the fragments that update a page.

An update consists of `<hx-upsert>` elements: an element replaces the one with the same id, or is
inserted by its `data-order`. So fragments are idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, run_cpu_in_thread
from opcode_htmx.markup.growing.part import Part
from opcode_htmx.markup.growing.pieces import Piece
from opcode_htmx.rendering import block_macros, tool_cards
from opcode_htmx.rendering.block_macros import RenderContext
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.transcript.blocks import Block, BranchBlock, TextBlock
from opcode_htmx.transcript.content.raw import log_failure, raw_text
from opcode_htmx.transcript.content.weight import FEW, is_heavy
from opcode_htmx.transcript.conversation.conversation import Change


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
        self._macros = block_macros.of(environment)
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
        return block_macros.call(self._macros, self._context, macro, *arguments)


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
