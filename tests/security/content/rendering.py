"""Lines of Claude's as the page shows them, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import fragments, templates
from tests.support.pages import dom

RUN_ID = "0" * 32


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def ask_line(tool: str, tool_input: dict[str, Any], **fields: Any) -> bytes:
    """A permission request."""
    request = {"subtype": "can_use_tool", "tool_name": tool, "input": tool_input, **fields}
    return line(type="control_request", request_id="r", request=request)


def folded(lines: Iterable[bytes]) -> Transcript:
    """The transcript of a run that has written these lines."""
    transcript, end = Transcript("1", run_id=RUN_ID), 0
    for each in lines:
        end += len(each)
        transcript.feed(parser.parse(each), end)
    return transcript


def page_of(transcript: Transcript, *, allow_bypass: bool = False) -> dom.Node:
    """The blocks as HTML."""
    render = fragments()
    if allow_bypass:
        render = Fragments(templates(), "/home/me/shop", "/p/s", allow_bypass=True)
    return dom.parse("".join(map(render.block, transcript.blocks)))


def asked(tool: str, tool_input: dict[str, Any], **fields: Any) -> dom.Node:
    """The card of one open permission request."""
    return page_of(folded([ask_line(tool, tool_input, **fields)]))


def of_class(page: dom.Node, name: str) -> list[dom.Node]:
    return [node for node in page.walk() if name in (node.attributes.get("class") or "").split()]


def buttons(page: dom.Node) -> dict[str, str]:
    """The labels of the buttons, by the decision that they send."""
    found = (node for node in page.walk() if node.tag == "button")
    return {node.attributes["value"] or "": node.text for node in found}
