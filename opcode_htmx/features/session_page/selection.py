"""Select what the page shows of a session, of whose history only the end may be in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import gevent

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.rendering.element_ids import block_of, is_hashed
from opcode_htmx.sessions.views import SessionView
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.conversation import window
from opcode_htmx.transcript.conversation.conversation import Conversation
from opcode_htmx.transcript.conversation.folded_parts import WholeNeeded
from opcode_htmx.transcript.conversation.window import Window

STEP_AT_LEAST = 30
"""Blocks before those of the first response that are folded for it. The way to earlier ones without
JavaScript leads over as many as are in memory, and over at most a whole step."""
PREPARED_AFTER = 0.1
"""Seconds from a response with older blocks until those before them are prepared."""
PAGE_PREPARED_AFTER = 1.0
"""The same for a page, which its browser paints first, maybe on this machine."""
COUNTED_BYTES = 2_000_000
"""New messages are counted in so much of the history before the part in memory."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The blocks of a page. `last_read` is the id of the block that was read last, or empty."""

    window: Window
    last_read: str
    unread: int | None
    """The number of blocks after `last_read`; None: many."""


def newest(conversation: Conversation, from_id: str | None, element: str) -> Selection:
    """The newest blocks, or those from the one with `from_id` on.

    `element` is that of the block which was read last. Raises WholeNeeded, and OSError.
    """
    blocks, missing = list(conversation.blocks()), 0
    known = _id_of(blocks, element)
    earlier = conversation.earlier
    if earlier is None:
        shown = window.newest(blocks, from_id, known, missing)
        return Selection(shown, known, window.count_after(blocks, known))
    unread: int | None = window.count_after(blocks, known)
    if not known and element:
        known, unread = _read_before(conversation, element, len(blocks))
    found = None
    if from_id and window.index_of(blocks, from_id) is None:
        found = earlier.blocks_from(from_id, window.STEP)
    if found is None:
        start = len(blocks) - max(window.FIRST, min(window.STEP, (unread or 0) + 1))
        found = earlier.newest(STEP_AT_LEAST - start)
    before, counted = found
    blocks = [*before, *blocks]
    return Selection(window.newest(blocks, from_id, known, counted), known, unread)


def _id_of(blocks: Sequence[Block], element: str) -> str:
    """The id of the block that an element belongs to; empty if it is none of these."""
    if not element:
        return ""
    # mostly one of the newest was read last
    return block_of(element, (block.id for block in reversed(blocks)))


def before(conversation: Conversation, block_id: str) -> Window | None:
    """The blocks before the one with an id; None if there is none. Raises as `newest`."""
    blocks, earlier = list(conversation.blocks()), conversation.earlier
    if earlier is None:
        return window.before(blocks, block_id)
    index = window.index_of(blocks, block_id)
    if index is not None:
        found = earlier.newest(2 * window.STEP - index)
        return window.before([*found[0], *blocks], block_id, found[1])
    others = earlier.blocks_before(block_id, 2 * window.STEP)
    return others and window.before(others[0], block_id, others[1])


def prepare(view: SessionView, shown: Window, after: float = PREPARED_AFTER) -> None:
    """Fold and render the blocks before these in the background, if a reader may come to them."""
    if view.conversation.earlier and shown.hidden:
        gevent.spawn_later(after, _prepare, view, shown.first)


def _prepare(view: SessionView, block_id: str) -> None:
    # what fails here fails again, and is reported, when the blocks are asked for
    with contextlib.suppress(WholeNeeded, OSError):
        if shown := before(view.conversation, block_id):
            view.fragments.render(shown.blocks)


def of(conversation: Conversation, block: Block | None) -> list[Block]:
    """The blocks among which a block is that is in memory: all of them in a short session."""
    blocks, earlier = list(conversation.blocks()), conversation.earlier
    return blocks if earlier is None or block is None else [*earlier.part_of(block), *blocks]


def _read_before(conversation: Conversation, element: str, behind: int) -> tuple[str, int | None]:
    """The block of an element before the part in memory, and the number of blocks after it."""
    earlier, block_id = conversation.earlier, element.removeprefix("b-")
    if is_hashed(element):
        raise WholeNeeded
    if earlier is None or not earlier.has(block_id):
        return "", 0
    counted = earlier.count_behind(block_id, COUNTED_BYTES)
    return block_id, None if counted is None else counted + behind
