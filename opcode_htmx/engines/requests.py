"""Our own requests to an engine, and what it has agreed to. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from opcode_htmx.lib.dataclass import dataclass


class RequestKind(StrEnum):
    """The purpose of a request. The first three are the names of the session's options."""

    MODEL = "model"
    EFFORT = "effort"
    PERMISSION_MODE = "permission_mode"
    CANCEL_PROMPT = "cancel prompt"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Query:
    """A question to an engine, or an order, that needs no turn: its name there, and its fields."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """A request of ours. `value` is the prompt's id or the effort, where the kind has one."""

    request_id: str
    kind: RequestKind
    value: str = ""
    cancels_queue: bool = False
    """Whether it also takes all prompts out of the engine's queue."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the engine has changed at a request of ours; None where it has not."""

    model: str | None = None
    effort: str | None = None
    """Empty for the engine's own."""
    permission_mode: str | None = None
    cancelled_prompt: str | None = None
