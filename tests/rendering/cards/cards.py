"""Cards of calls of tools: asked, done and failed."""

from __future__ import annotations

from typing import Any

from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.rendering import tool_cards
from opcode_htmx.rendering.cards.parts import ColouredText
from opcode_htmx.rendering.tool_cards import ToolView
from opcode_htmx.transcript.blocks import ToolBlock, ToolState

PROJECT = "/home/me/shop"


def view(name: str, details: object = None, **tool_input: Any) -> ToolView:
    return tool_cards.present(name, tool_input, details, PROJECT)


def done(name: str, details: object = None, output: str = "", **tool_input: Any) -> ToolView:
    block = ToolBlock(id="t", order="1", created=1, revision=1, name=name, input=tool_input)
    block.state, block.output, block.details = ToolState.DONE, output, details
    return tool_cards.present_block(block, PROJECT)


def failed(name: str, output: str, **tool_input: Any) -> ToolView:
    block = ToolBlock(id="t", order="1", created=1, revision=1, name=name, input=tool_input)
    block.state, block.output, block.details = ToolState.ERROR, output, f"Error: {output}"
    return tool_cards.present_block(block, PROJECT)


def text_of(shown: ColouredText | None) -> str:
    return "".join(text for _, text in shown.spans) if shown else ""


def request(questions: object, name: str = "AskUserQuestion") -> PermissionRequest:
    return PermissionRequest("r", name, {"questions": questions}, "t", "", "", ())
