"""What was decided about a tool call, for its card: the same from a run and from history."""

from __future__ import annotations

from opcode_htmx.engines.claude.protocol.encoder import NO_REASONS
from opcode_htmx.rendering.asks import permissions
from opcode_htmx.rendering.clock import time_of_day
from opcode_htmx.transcript.blocks import AskBlock, AskState, ToolBlock, ToolState

_DECIDED = frozenset({AskState.ALLOWED, AskState.DENIED})


def decision(tool: ToolBlock) -> str:
    """The decision of a person about a call, with its time; empty if none is known.

    History has denials only.
    """
    ask = _decided_ask(tool)
    if ask and ask.state is AskState.ALLOWED:
        return permissions.verdict(ask)
    if not ask and not _is_denied_in_history(tool):
        return ""
    # The result of a denied call comes at once, and is in history, too
    at = tool.answered_at or (ask.answered_at if ask else None)
    return f"Denied · {time_of_day(at)}" if at else "Denied"


def short_decision(tool: ToolBlock) -> str:
    """The decision in a word or two; empty if it was denied, as its state says so."""
    ask = _decided_ask(tool)
    return permissions.short_verdict(ask) if ask else ""


def reason(tool: ToolBlock, words: str) -> str:
    """The words of the person who denied a call; empty if there are none.

    `words` is what its result says.
    """
    if ask := _decided_ask(tool):
        return permissions.given_reason(ask)
    return words if _is_denied_in_history(tool) and words not in NO_REASONS else ""


def _decided_ask(tool: ToolBlock) -> AskBlock | None:
    ask = tool.ask
    return ask if ask and ask.is_covered_by_tool and ask.state in _DECIDED else None


def _is_denied_in_history(tool: ToolBlock) -> bool:
    return tool.is_denied_by_person and tool.state is ToolState.DENIED and tool.ask is None
