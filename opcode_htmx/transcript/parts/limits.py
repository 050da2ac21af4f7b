"""Find the usage limit that a conversation has run into, and when it is reset. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.transcript.blocks import Block, ErrorBlock, NoticeBlock, TextBlock
from opcode_htmx.transcript.parts.notices import is_reached_limit

LOOKED_AT = 60
"""Blocks from the newest on: after a limit there is little but its error."""


@dataclass(frozen=True, slots=True)
class ReachedLimit:
    """`until` is a Unix time; `text` a sentence."""

    text: str
    until: float


def reached_limit(newest_first: Iterable[Block], now: float) -> ReachedLimit | None:
    """The limit that keeps Claude from going on; None if there is none, or it has been reset."""
    for block in islice(newest_first, LOOKED_AT):
        match block:
            case TextBlock():
                return None  # Claude has answered since
            case NoticeBlock(id=notice_id, text=text, until=float() as until):
                if is_reached_limit(notice_id) and until > now and "goes on" not in text:
                    return ReachedLimit(text, until)
            case ErrorBlock(text=text, until=float() as until) if until > now:
                return ReachedLimit(text, until)
            case _:
                pass
    return None
