"""Turns as the Messages API writes them: JSON messages and SSE events. Pure; opens no socket."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from opcode_htmx.engines.claude.demo.script import (
    Block,
    Text,
    Thinking,
    ToolUse,
    Turn,
)
from opcode_htmx.lib.dataclass import dataclass

_PIECE = re.compile(r"\s++(?:\S{1,7})?|\S{1,7}")
_JSON_PIECE = 24
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Event:
    """One SSE event; before it is sent, wait `pace` seconds (None: the default), then the gate."""

    data: Mapping[str, Any]
    is_piece: bool = False
    pace: float | None = None
    gate: threading.Event | None = None

    def encode(self) -> bytes:
        data = json.dumps(self.data, ensure_ascii=False)
        return f"event: {self.data['type']}\ndata: {data}\n\n".encode()


def pieces(text: str) -> list[str]:
    """Cut a text into words, long ones into parts, without losing a character."""
    return _PIECE.findall(text)


def tokens_in(text: str | bytes) -> int:
    """A plausible token count."""
    return max(1, len(text) // _BYTES_PER_TOKEN)


def message(turn: Turn, model: str, input_tokens: int) -> dict[str, Any]:
    """A whole reply, as for a request without `stream`."""
    content = [_content(block) for block in turn]
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": "tool_use" if any(isinstance(b, ToolUse) for b in turn) else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": tokens_in(json.dumps(content)),
        },
    }


def events(turn: Turn, model: str, input_tokens: int) -> Iterator[Event]:
    """The same reply as a stream, in the order of the real API."""
    whole = message(turn, model, input_tokens)
    start = {
        **whole,
        "content": [],
        "stop_reason": None,
        "usage": {**whole["usage"], "output_tokens": 1},
    }
    yield Event({"type": "message_start", "message": start})
    yield Event({"type": "ping"})
    for index, (block, content) in enumerate(zip(turn, whole["content"], strict=True)):
        yield from _block_events(index, block, content)
    yield Event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
            "usage": whole["usage"],
        }
    )
    yield Event({"type": "message_stop"})


def error(type_: str, text: str) -> dict[str, Any]:
    """The body of an error answer."""
    return {"type": "error", "error": {"type": type_, "message": text}}


def _content(block: Block) -> dict[str, Any]:
    match block:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Thinking(text=text):
            return {"type": "thinking", "thinking": text, "signature": uuid.uuid4().hex}
        case ToolUse(name=name, input=input_):
            id_ = f"toolu_{uuid.uuid4().hex}"
            return {"type": "tool_use", "id": id_, "name": name, "input": dict(input_)}


def _block_events(index: int, block: Block, content: Mapping[str, Any]) -> Iterator[Event]:
    empty: dict[str, Any]
    match block:
        case Text():
            empty = {"text": ""}
            deltas = [{"type": "text_delta", "text": p} for p in pieces(block.text)]
        case Thinking():
            empty = {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": p} for p in pieces(block.text)]
        case ToolUse():
            empty = {"input": {}}
            arguments = json.dumps(content["input"], ensure_ascii=False)
            starts = range(0, len(arguments), _JSON_PIECE)
            parts = ["", *(arguments[at : at + _JSON_PIECE] for at in starts)]
            deltas = [{"type": "input_json_delta", "partial_json": p} for p in parts]
    pace, gate = (None, None) if isinstance(block, ToolUse) else (block.pace, block.gate)
    middle = len(deltas) // 2
    yield Event(
        {"type": "content_block_start", "index": index, "content_block": {**content, **empty}}
    )
    for number, delta in enumerate(deltas):
        yield Event(
            {"type": "content_block_delta", "index": index, "delta": delta},
            is_piece=True,
            pace=pace,
            gate=gate if number == middle else None,
        )
    if isinstance(block, Thinking):
        signature = {"type": "signature_delta", "signature": content["signature"]}
        yield Event({"type": "content_block_delta", "index": index, "delta": signature})
    yield Event({"type": "content_block_stop", "index": index})
