"""What a channel of a transcript is, and lines as Claude writes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.security.corpus.vectors import Plant

Json = dict[str, Any]
Line = Json | str
"""An object, or text that is no JSON."""

Frame = Literal["block", "line", "bare"]
Shows = Literal["all", "start", "end", "nothing"]
PIXEL = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"
).decode()


@dataclass(frozen=True, slots=True)
class Channel:
    """A way for foreign text onto the session's page.

    `shows` says which of the marks must be seen on the page, `words` whether all of the vector's
    words must be seen between them, `shown_as` how the text is written there, and `where` which
    of the two sources carries it.
    """

    name: str
    lines: Callable[[int, str], Sequence[Line]]
    frame: Frame = "block"
    shows: Shows = "all"
    words: bool = True
    where: Literal["both", "live", "history"] = "both"
    shown_as: Callable[[str], str] = str
    ends_turn: bool = False

    def planted(self, plant: Plant) -> list[str]:
        """The lines that plant a vector."""
        text: str = getattr(plant, self.frame)
        lines = self.lines(plant.number, text)
        return [each if isinstance(each, str) else json.dumps(each) for each in lines]


# --- lines as Claude writes them ------------------------------------------------------------


def said(number: int, *blocks: Json, **fields: Any) -> Json:
    message = {"id": f"m{number}", "role": "assistant", "model": "m", "content": list(blocks)}
    return {"type": "assistant", "uuid": f"a{number}", "message": message, **fields}


def user(number: int, content: object, **fields: Any) -> Json:
    message = {"role": "user", "content": content}
    return {"type": "user", "uuid": f"u{number}", "message": message, **fields}


def system(number: int, subtype: str, **fields: Any) -> Json:
    return {"type": "system", "subtype": subtype, "uuid": f"s{number}", **fields}


def called(
    number: int,
    name: str,
    given: Mapping[str, object],
    result: object = "done",
    details: object = None,
    *,
    is_error: bool = False,
) -> list[Json]:
    """A tool's call with its result."""
    use = {"type": "tool_use", "id": f"t{number}", "name": name, "input": dict(given)}
    back = {
        "type": "tool_result",
        "tool_use_id": f"t{number}",
        "content": result,
        "is_error": is_error,
    }
    beside = {} if details is None else {"tool_use_result": details, "toolUseResult": details}
    return [said(number, use), user(number, [back], **beside)]


def in_result(part: Callable[[str], Json]) -> Callable[[int, str], list[Json]]:
    return lambda n, text: called(n, "mcp__trees__grow", {}, [part(text)])


def with_input(name: str, key: str, **more: object) -> Callable[[int, str], list[Json]]:
    return lambda n, text: called(n, name, {**more, key: text})


def asked(number: int, tool: str, given: Mapping[str, object], **fields: Any) -> list[Json]:
    """A request that stays open."""
    request = {"subtype": "can_use_tool", "tool_name": tool, "input": dict(given), **fields}
    return [{"type": "control_request", "request_id": f"r{number}", "request": request}]


def elicited(number: int, **fields: Any) -> list[Json]:
    """What an MCP server asks, which stays open."""
    request = {"subtype": "elicitation", "mcp_server_name": "trees", "message": "x", **fields}
    return [{"type": "control_request", "request_id": f"e{number}", "request": request}]


def in_form(**schema: object) -> Json:
    return {"type": "object", "properties": {"f": {"type": "string", **schema}}}


def question(text: str = "Which?", **fields: object) -> Json:
    option = {"label": "Pear", "description": "sweet", **fields}
    options = [option, {"label": "Apple", "description": "sour"}]
    return {"questions": [{"question": text, "header": "Fruit", "options": options}]}


def as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def document(text: str) -> Json:
    return {"type": "document", "source": {"type": "text", "media_type": "x/y", "data": text}}


def resource(**fields: object) -> Json:
    return {"type": "resource", "resource": {"uri": "x:y", **fields}}


def patch(text: str) -> Json:
    lines = [f"+{line}" for line in text.split("\n")]
    hunk = {"oldStart": 1, "oldLines": 0, "newStart": 1, "newLines": len(lines), "lines": lines}
    return {"structuredPatch": [hunk]}


def cell(**fields: object) -> Json:
    each = {"cellType": "code", "source": "x", "language": "python", "outputs": [], **fields}
    return {"type": "notebook", "file": {"filePath": "/a.ipynb", "cells": [each]}}


def streamed(number: int, text: str, kind: str = "text") -> list[Json]:
    """As it grows, in pieces of seven characters, and never whole."""
    delta = "thinking" if kind == "thinking" else "text"
    events: list[Json] = [
        {"type": "message_start", "message": {"id": f"m{number}"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": kind, delta: ""}},
    ]
    for at in range(0, len(text), 7):
        piece = {"type": f"{delta}_delta", delta: text[at : at + 7]}
        events.append({"type": "content_block_delta", "index": 0, "delta": piece})
    events.append({"type": "content_block_stop", "index": 0})
    return [{"type": "stream_event", "event": event} for event in events]


def subagent(number: int, text: str) -> list[Json]:
    use = {"type": "tool_use", "id": f"t{number}", "name": "Task", "input": {"description": "x"}}
    words = said(-number, {"type": "text", "text": text}, parent_tool_use_id=f"t{number}")
    return [said(number, use), words]


def suggestion(**fields: object) -> list[Json]:
    return [{"type": "addRules", "behavior": "allow", "destination": "session", **fields}]


READ = {"type": "text", "file": {"filePath": "/a", "numLines": 1, "startLine": 1, "totalLines": 1}}
