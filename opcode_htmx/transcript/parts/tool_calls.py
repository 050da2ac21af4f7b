"""Build the blocks of tool calls and of the permission requests about them.

A call and its result are one block. The blocks of a subagent are inside the block of its call.
"""

from __future__ import annotations

from opcode_htmx.engines.contents import Refusal, ToolResult, ToolUse
from opcode_htmx.engines.messages import (
    Ask,
    ControlCancel,
    ControlResponse,
    PermissionRequest,
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
    """The tool calls of one transcript."""

    def __init__(self, store: BlockStore, run_id: str) -> None:
        """`run_id` is empty in history, where requests cannot be answered any more."""
        self._store = store
        self._run_id = run_id
        self._in_background: dict[str, ToolBlock] = {}

    # --- tools ------------------------------------------------------------------------------

    def begin(self, use: ToolUse, parent: str | None) -> ToolBlock:
        """Add a call that is being written; its input may be incomplete."""
        known = self._store.tool(use.id)
        return known or self._store.new(ToolBlock, use.id, parent, name=use.name, input=use.input)

    def call(self, use: ToolUse, parent: str | None) -> None:
        """Add or complete a call."""
        tool = self.begin(use, parent)
        tool.input = use.input
        if tool.state is ToolState.PREPARING:
            tool.state = ToolState.RUNNING
        self._store.mark_changed(tool)

    def result(self, result: ToolResult, message: User) -> None:
        """Add a result to its call, which is made up if it is missing."""
        tool = self._store.tool(result.tool_use_id)
        if tool is None:
            if result.is_unknown and self._store.is_before(result.tool_use_id):
                return  # it says of that call only that it was interrupted, as its block does
            tool = self._store.new(ToolBlock, result.tool_use_id, message.parent, name="Tool")
        tool.output = result.text
        tool.parts = result.parts
        tool.details = message.tool_result
        if not result.is_error:
            tool.state = ToolState.DONE
            status = isinstance(tool.details, dict) and tool.details.get("status")
            tool.runs_in_background = status == "async_launched"
            if tool.runs_in_background:
                self._in_background[tool.id] = tool
        elif tool.state is not ToolState.DENIED:
            tool.state = _REFUSED[result.refusal] if result.refusal else ToolState.ERROR
        tool.is_denied_by_person = result.is_error and result.is_denied_by_person
        tool.answered_at = message.said_at
        self._store.mark_changed(tool)

    # --- requests ---------------------------------------------------------------------------

    def ask(self, request: Ask) -> None:
        """Add a request, and let its tool wait."""
        about = request.tool_use_id if isinstance(request, PermissionRequest) else ""
        tool = self._store.tool(about)
        parent = tool.parent if tool else None
        ask = self._store.new(
            AskBlock,
            request.request_id,
            parent,
            request=request,
            run_id=self._run_id,
            has_tool=tool is not None,
        )
        if tool:
            tool.state = ToolState.WAITING
            tool.ask = ask
            self._store.mark_changed(tool)

    def answer(self, message: ControlResponse | ControlCancel) -> None:
        """Close a request that was answered or withdrawn."""
        ask = self._store.get(message.request_id)
        if not isinstance(ask, AskBlock) or ask.state is not AskState.OPEN:
            return
        is_refused = not isinstance(ask.request, PermissionRequest) and not getattr(
            message, "ok", True
        )
        if isinstance(message, ControlCancel) or is_refused:
            ask.state = AskState.WITHDRAWN
        else:
            ask.answer, ask.answered_at = message.response, message.answered_at
            given = message.response
            allowed = given.get("behavior") == "allow" or given.get("action") == "accept"
            ask.state = AskState.ALLOWED if allowed else AskState.DENIED
        self._store.mark_changed(ask)
        tool = self._store.tool(ask.tool_use_id)
        if tool and tool.state is ToolState.WAITING:
            denied = ask.state is AskState.DENIED
            tool.state = ToolState.DENIED if denied else ToolState.RUNNING
            self._store.mark_changed(tool)

    # --- ends -------------------------------------------------------------------------------

    def end_turn(self) -> None:
        """Finish all blocks of this turn but those of background subagents."""
        unfinished = self._store.unfinished.values()
        self._store.finish(block for block in unfinished if not self._outlives(block))

    def end_subagent(self, tool_use_id: object) -> None:
        """Finish the blocks of the subagent that this call started."""
        owner = self._store.tool(tool_use_id) if isinstance(tool_use_id, str) else None
        if owner is None:
            return
        unfinished = self._store.unfinished.values()
        self._store.finish(block for block in unfinished if block.parent == owner.id)
        if tool := self._in_background.pop(owner.id, None):
            tool.runs_in_background = False
            self._store.mark_changed(tool)

    def end_all(self) -> None:
        """Finish all blocks."""
        self._store.finish(self._store.unfinished.values())
        for tool_use_id in list(self._in_background):
            self.end_subagent(tool_use_id)

    def _outlives(self, block: Block) -> bool:
        """Whether a block belongs to a subagent that still works after its call has its result."""
        owner = self._store.tool(block.parent)
        return owner is not None and (owner.state is ToolState.DONE or self._outlives(owner))
