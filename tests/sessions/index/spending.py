"""Histories whose answers cost something, and the sums of what an index has counted."""

from __future__ import annotations

from typing import Any

from opcode_htmx.sessions.index.usage.figures import By, Group, Sums, UsageQuery
from opcode_htmx.sessions.index.usage.sums import UsageSums
from tests.sessions.index.histories import Searchable, Session

MODELS = ("claude-opus-5-5", "claude-sonnet-5", "claude-sonnet-4-5-20250929", "claude-unheard-of")


def spend(
    session: Session,
    message_id: str,
    *,
    model: str = "claude-opus-5-5",
    usage: dict[str, Any] | None = None,
    **more: Any,
) -> str:
    """Append one entry of an answer with its usage; the uuid."""
    figures = usage or {"input_tokens": 1_000, "output_tokens": 100}
    message = {"id": message_id, "model": model, "usage": figures}
    return session.answer("words", message=message, **more)


def total(index: Searchable, **limits: Any) -> Sums:
    return index.reader.usage(UsageQuery(**limits), UsageSums.total)[0]


def groups(index: Searchable, by: By, **limits: Any) -> list[Group]:
    return index.reader.usage(UsageQuery(**limits), lambda sums: sums.groups(by))[0]


def answers(index: Searchable) -> int:
    index.update()
    return total(index).answers
