"""Render a page that leads to one of its blocks: with the details around it open."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup

from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.transcript.blocks import Block

log = logging.getLogger(__name__)


class OpenedBlocks(Fragments):
    """Renders the blocks of one page, those of a path with their details open, and keeps none."""

    def __init__(
        self, kept: Fragments, path: Sequence[Block], change: Callable[[Markup], Markup]
    ) -> None:
        """`change` is applied to the last block of `path`; `kept` renders those outside of it."""
        self._kept = kept
        self._macros = kept._macros
        self._context = kept._context._replace(opened=frozenset(each.id for each in path))
        self._last = path[-1]
        self._change = change

    def block(self, block: Block) -> Markup:
        if block.id not in self._context.opened:
            return self._kept.block(block)
        html = self._render_safely(block)
        if block is not self._last:
            return html
        try:
            return self._change(html)
        except Exception:  # the page goes on without marks
            log.exception("could not mark what was found in block %r", block.id)
            return html


def path_to(blocks: Iterable[Block], block_id: str) -> list[Block]:
    """The block with an id, after those that contain it; empty if there is none."""
    for each in blocks:
        if each.id == block_id:
            return [each]
        if inside := path_to(each.children, block_id):
            return [each, *inside]
    return []
