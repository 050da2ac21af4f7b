"""What Claude does: its tools as they are called, asked about, answered and done.

A call and its result are one block. What a subagent does stands inside the block of its call.
"""

from __future__ import annotations

from opcode_htmx.engines.messages import (
    ControlCancel,
    ControlResponse,
    PermissionRequest,
    Refusal,
    ToolResult,
    ToolUse,
    User,
)
from opcode_htmx.transcript.block_store import BlockStore
from opcode_htmx.transcript.blocks import (
    AskBlock,
    AskState,
    Block,
    ToolBlock,
    ToolState,
)

_REFUSED = {Refusal.DENIED: ToolState.DENIED, Refusal.INTERRUPTED: ToolState.INTERRUPTED}


class ToolCalls:
    def __init__(self, shelf: BlockStore, run_id: str) -> None:
        """`run_id` is empty where nobody can answer any more: in history."""
        self._shelf = shelf
        self._run_id = run_id
        self._at_work: dict[str, ToolBlock] = {}

    # --- tools ------------------------------------------------------------------------------

    def begin(self, use: ToolUse, parent: str | None) -> ToolBlock:
        """A tool is about to be called; its input may still be on its way."""
        known = self._shelf.tool(use.id)
        return known or self._shelf.new(ToolBlock, use.id, parent, name=use.name, input=use.input)

    def call(self, use: ToolUse, parent: str | None) -> None:
        """A tool's call, whole."""
        tool = self.begin(use, parent)
        tool.input = use.input
        if tool.state is ToolState.PREPARING:
            tool.state = ToolState.RUNNING
        self._shelf.mark_changed(tool)

    def result(self, result: ToolResult, message: User) -> None:
        tool = self._shelf.tool(result.tool_use_id)
        if tool is None:
            tool = self._shelf.new(ToolBlock, result.tool_use_id, message.parent, name="Tool")
        tool.output = result.text
        tool.parts = result.parts
        tool.details = message.tool_result
        if not result.is_error:
            tool.state = ToolState.DONE
            launched = isinstance(tool.details, dict) and tool.details.get("status")
            tool.at_work = launched == "async_launched"
            if tool.at_work:
                self._at_work[tool.id] = tool
        elif tool.state is not ToolState.DENIED:
            tool.state = _REFUSED[message.refusal] if message.refusal else ToolState.ERROR
        self._shelf.mark_changed(tool)

    # --- what Claude asks -------------------------------------------------------------------

    def ask(self, request: PermissionRequest) -> None:
        tool = self._shelf.tool(request.tool_use_id)
        parent = tool.parent if tool else None
        self._shelf.new(AskBlock, request.request_id, parent, request=request, run_id=self._run_id)
        if tool:
            tool.state = ToolState.WAITING
            tool.asked = True
            self._shelf.mark_changed(tool)

    def answer(self, message: ControlResponse | ControlCancel) -> None:
        ask = self._shelf.get(message.request_id)
        if not isinstance(ask, AskBlock) or ask.state is not AskState.OPEN:
            return
        if isinstance(message, ControlCancel):
            ask.state = AskState.WITHDRAWN
        else:
            ask.answer, ask.answered_at = message.response, message.answered_at
            allowed = message.response.get("behavior") == "allow"
            ask.state = AskState.ALLOWED if allowed else AskState.DENIED
        self._shelf.mark_changed(ask)
        tool = self._shelf.tool(ask.request.tool_use_id)
        if tool and tool.state is ToolState.WAITING:
            denied = ask.state is AskState.DENIED
            tool.state = ToolState.DENIED if denied else ToolState.RUNNING
            self._shelf.mark_changed(tool)

    # --- ends -------------------------------------------------------------------------------

    def end_turn(self) -> None:
        """Nothing of this turn goes on, except for subagents in the background."""
        unfinished = self._shelf.unfinished.values()
        self._shelf.finish(block for block in unfinished if not self._outlives(block))

    def end_subagent(self, tool_use_id: object) -> None:
        owner = self._shelf.tool(tool_use_id) if isinstance(tool_use_id, str) else None
        if owner is None:
            return
        unfinished = self._shelf.unfinished.values()
        self._shelf.finish(block for block in unfinished if block.parent == owner.id)
        if tool := self._at_work.pop(owner.id, None):
            tool.at_work = False
            self._shelf.mark_changed(tool)

    def end_all(self) -> None:
        """Nobody works any more."""
        self._shelf.finish(self._shelf.unfinished.values())
        for tool_use_id in list(self._at_work):
            self.end_subagent(tool_use_id)

    def _outlives(self, block: Block) -> bool:
        """Whether it belongs to a subagent whose call has its result, but which still works."""
        owner = self._shelf.tool(block.parent)
        return owner is not None and (owner.state is ToolState.DONE or self._outlives(owner))
