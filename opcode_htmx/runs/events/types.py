"""The dataclasses of events, and their lines of JSON in the journal. Pure.

The id of an event is made of its source: the run, the kind, and the byte offset after the line it
was derived from. Deriving the event again results in the same id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any, NamedTuple

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import as_dict, as_str
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.surrogates import json_bytes
from opcode_htmx.runs.model.record import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """The fields of all events. `at` is a Unix time; `by` has caused the event.

    If the files contain no time for it, `at` is when the owner of the run read it.
    """

    id: str
    at: float
    run_id: str
    session_id: str
    project_path: str
    by: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(RunEvent):
    """The process of a run has been started; `by` has sent the prompt that started it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(RunEvent):
    """The process and its descendants have ended. A run that was stopped in the start queue ends
    without having started."""

    outcome: Outcome
    cause: str
    """A sentence for the person."""
    exit_status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSubmitted(RunEvent):
    """A prompt was recorded for Claude. Its content is in the run, under its id.

    One that was not delivered, and is sent again under its id, is submitted twice.
    """

    prompt_id: str
    characters: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionAsked(RunEvent):
    """Claude asks whether it may use a tool, or asks a question; or an MCP server asks one.

    The `tool_name` of an MCP server's question is `mcp__` and the server's name.
    """

    request_id: str
    tool_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionAnswered(RunEvent):
    request_id: str
    tool_name: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of one turn. The four token counts include each token once."""

    input_tokens: int
    """Tokens read without the cache."""
    output_tokens: int
    cache_read_tokens: int
    cache_written_tokens: int
    cost_usd: float | None
    """Of this turn; None if the session's cost before it is unknown."""
    session_cost_usd: float | None
    """Of the whole session so far, as Claude counts it."""
    model: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded(RunEvent):
    """Claude has reported the result of a turn; `by` has sent its prompt.

    A command that the CLI handles itself may have no result; then there is no event.
    """

    prompt_ids: tuple[str, ...]
    """Empty for a turn that Claude started by itself."""
    is_error: bool
    reason: str
    """Why the turn ended, in Claude's word: `completed`, `aborted_streaming`, …"""
    usage: Usage
    claude_session_id: str = ""
    """The session that Claude was in: after `/clear` another one than the run was started for.
    Empty in a line of an earlier version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWarned(RunEvent):
    """A run is near a limit."""

    about: str
    """The limit: `output`, `memory`."""
    text: str
    """A sentence for the person."""


KINDS: Mapping[str, type[RunEvent]] = {
    "run_started": RunStarted,
    "run_ended": RunEnded,
    "prompt_submitted": PromptSubmitted,
    "permission_asked": PermissionAsked,
    "permission_answered": PermissionAnswered,
    "turn_ended": TurnEnded,
    "run_warned": RunWarned,
}
"""The names of the events in the journal: they never change."""

_NAMES = {kind: name for name, kind in KINDS.items()}


def name_of(kind: type[RunEvent]) -> str:
    return _NAMES[kind]


class Entry(NamedTuple):
    """An event in the journal, and the id of the worker that emitted it."""

    event: RunEvent
    worker: str


def encode(event: RunEvent, worker: str) -> bytes:
    """The line for an event, with its newline."""
    content = {**asdict(event), "by": event.by.as_json()}
    return json_bytes({"event": name_of(type(event)), "worker": worker, **content}) + b"\n"


def decode(line: bytes) -> Entry | None:
    """The event of a line; None for one that this version does not know.

    Raises ValueError for an invalid line, such as a partial one of a killed writer.
    """
    value = as_dict(bounded_json.loads(line))
    kind = KINDS.get(as_str(value.get("event")))
    if kind is None:
        if not as_str(value.get("event")):
            raise ValueError("it names no event")
        return None
    try:
        # a later version may have added fields
        known = {
            each.name: _as_typed(each.name, value[each.name])
            for each in fields(kind)
            if each.name in value or each.default is MISSING
        }
        return Entry(kind(**known), as_str(value.get("worker")))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no {kind.__name__}: {error!r}") from error


def id_in(line: bytes) -> str:
    """The id of the event in a line; empty for an invalid line."""
    try:
        return as_str(as_dict(json.loads(line)).get("id"))
    except (ValueError, RecursionError):
        return ""


def _as_typed(name: str, value: Any) -> Any:
    match name:
        case "by":
            return Identity.from_json(value)
        case "outcome":
            return Outcome(value)
        case "prompt_ids":
            return tuple(value)
        case "usage":
            return Usage(**{each.name: value[each.name] for each in fields(Usage)})
        case _:
            return value
