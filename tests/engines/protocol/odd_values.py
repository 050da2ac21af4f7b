"""Made-up values for the places of the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.support.fuzzing import FACTOR

HALF = "\ud83d"
"""The first half of an emoji: a string in JavaScript and in JSON, but no text."""

TYPES = [
    "stream_event",
    "assistant",
    "user",
    "result",
    "control_request",
    "control_cancel_request",
    "control_response",
    "command_lifecycle",
    "system",
    "attachment",
    "conversation_reset",
    "a type of next year",
]
WELL_KNOWN = [
    *("type", "subtype", "uuid", "message", "content", "id", "event", "index", "delta", "text"),
    *("content_block", "request", "request_id", "response", "input", "tool_use_id", "usage"),
    *("total_cost_usd", "duration_ms", "num_turns", "errors", "result", "is_error", "error"),
    *("tool_result_meta", "toolDenialKind", "attachment", "prompt", "apiBlockIndex", "thinking"),
    *("permission_suggestions", "slash_commands", "source", "data", "local_command_source"),
    *("parent_tool_use_id", "isSidechain", "input_tokens", "output_tokens"),
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([*TYPES, HALF, 10**30, "text", "tool_result", "init", "can_use_tool"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WELL_KNOWN), inner, max_size=6)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(WELL_KNOWN), values, max_size=8)

ODD: tuple[Any, ...] = (
    *(None, True, -1, 1.5, "", "x", [], {}, [[]], [{}], ["x"]),
    *({"type": ["x"]}, {"x": None}, [{"type": "text", "text": 5}], "<bash-input>x"),
)


def odd_values(turn: int) -> Iterator[Any]:
    chosen = range(len(ODD)) if FACTOR > 1 else range(turn % 7, len(ODD), 7)
    return (ODD[index] for index in chosen)
