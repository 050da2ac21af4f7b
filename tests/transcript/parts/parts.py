"""Results and prompts with parts made by hand, and what the page shows of them."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from typing import Any

from opcode_htmx.transcript.blocks import ToolBlock
from tests.support.cli.captured import fold, fragments

PDF = b"%PDF-1.4\n" + b"x" * 3000

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
SESSION = "00000106-0000-4000-8000-000000000000"


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def called(content: object, name: str = "mcp__x__get", **beside: Any) -> tuple[bytes, ...]:
    """A tool's call and its result, as a history file has them."""
    use = {"type": "tool_use", "id": "t", "name": name, "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": content}
    return (
        line(type="assistant", uuid="a", message={"id": "m", "content": [use]}),
        line(type="user", uuid="u", message={"role": "user", "content": [result]}, **beside),
    )


def prompted(*blocks: object) -> tuple[bytes, ...]:
    return (line(type="user", uuid="p", message={"role": "user", "content": list(blocks)}),)


def page(lines: tuple[bytes, ...], render: Callable[[Any], str] | None = None) -> str:
    render = render or fragments().block
    return "".join(str(render(block)) for block in fold(lines, run_id=None).blocks)


def words(markup: str) -> str:
    """The visible text of the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def tool(lines: tuple[bytes, ...]) -> ToolBlock:
    (block,) = [each for each in fold(lines, run_id=None) if isinstance(each, ToolBlock)]
    return block


def as_pdf(**fields: str) -> dict[str, object]:
    source = {"type": "base64", "media_type": "application/pdf", "data": coded(PDF)}
    return {"type": "document", "source": source, **fields}
