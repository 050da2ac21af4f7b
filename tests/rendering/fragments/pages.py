"""Pages of blocks, what they receive, and shorthands for their lines and elements."""

from __future__ import annotations

from typing import Any

from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.transcript.conversation.conversation import Change
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import fold, fragments, line
from tests.support.pages import dom

RUN_ID = "r" * 32


def page_of(transcript: Transcript, render: Fragments) -> str:
    blocks = "".join(render.block(block) for block in transcript.blocks)
    return f'<section id="transcript">{blocks}</section>'


def changes(transcript: Transcript, since: int, render: Fragments) -> str:
    return render.changes(Change(block, since) for block in transcript.changed_since(since))


def links(page: dom.Node) -> list[dom.Node]:
    """The links of a page, but for the ways to a block's own link."""
    found = [node for node in page.walk() if node.tag == "a"]
    return [node for node in found if "more" not in (node.attributes.get("class") or "").split()]


def rendered(*lines: bytes, close: bool = False, run_id: str | None = RUN_ID) -> dom.Node:
    transcript = fold(lines, run_id=run_id)
    if close:
        transcript.close()
    return dom.parse(page_of(transcript, fragments()))


def ask_line(**fields: object) -> bytes:
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}, **fields}
    return line(type="control_request", request_id="r", request=request)


def labels(page: dom.Node) -> list[str]:
    return [node.text for node in page.walk() if node.tag == "button"]


def tool_lines(name: str, details: object = None, output: str = "", **tool_input: Any) -> Any:
    use = {"type": "tool_use", "id": "t", "name": name, "input": tool_input}
    result = {"type": "tool_result", "tool_use_id": "t", "content": output}
    return (
        line(type="assistant", uuid="a", message={"id": "m", "content": [use]}),
        line(type="user", uuid="u", message={"content": [result]}, tool_use_result=details),
    )
