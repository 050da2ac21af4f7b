"""What a tool was asked to do and what it did, in the words and parts that a card shows.

Which card a tool gets stands here; the cards themselves are made in `cards`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..claude.messages import Json
from .blocks import AskBlock, ShellBlock, TextBlock, ToolBlock, ToolState
from .cards import commands, files, others
from .cards.parts import SHOWN_CHARACTERS, Call, Cut, ToolView, cut
from .wording import as_json

__all__ = ["SHOWN_CHARACTERS", "Cut", "ToolView", "cut", "present", "present_block", "whole"]

_CARDS: dict[str, Callable[[Call], ToolView]] = {
    "Bash": commands.bash,
    "Read": files.read,
    "Grep": files.search,
    "Glob": files.search,
    "Edit": files.edit,
    "MultiEdit": files.edit,
    "Write": files.edit,
    "NotebookEdit": files.edit,
    "Task": others.agent,
    "Agent": others.agent,
    "WebFetch": others.fetch,
    "WebSearch": others.web_search,
    "TodoWrite": others.todo_write,
    "TaskCreate": others.task_tool,
    "TaskUpdate": others.task_tool,
    "TaskList": others.task_tool,
    "TaskGet": others.task_tool,
    "AskUserQuestion": others.questions,
    "ExitPlanMode": others.plan,
}
_FAILED = frozenset({ToolState.ERROR, ToolState.DENIED, ToolState.INTERRUPTED})


def present(name: str, tool_input: Json, details: object, project: str) -> ToolView:
    """The view of a call with `tool_input`; paths inside `project` are shown relative to it."""
    return _view(Call(name, tool_input, details, project=project))


def present_block(block: ToolBlock, project: str) -> ToolView:
    """The view of a call and of what came of it."""
    view = _view(_call(block, project))
    last = block.children[-1] if block.children else None
    if (
        view.said
        and isinstance(last, TextBlock)
        and "".join(last.source).strip() == view.said.strip()
    ):
        return replace(view, said="")  # an agent's last words are its report: once is enough
    return view


def whole(block: ToolBlock | AskBlock | ShellBlock) -> str:
    """What the card cuts, in full: what was asked for where that is long, and what came of it."""
    if isinstance(block, ShellBlock):
        command = f"$ {block.command}" if block.command else ""
        return "\n\n".join(filter(None, (command, block.stdout, block.stderr)))
    if isinstance(block, AskBlock):
        call = Call(block.request.tool_name, block.request.input)
    else:
        call = _call(block)
    view = _view(call)
    asked = "\n".join(line.text for line in view.changes)
    if not asked and (isinstance(block, AskBlock) or view.command and view.command.left_out):
        asked = call.text("command") or call.text("prompt") or as_json(call.input)
    came = commands.output(call) if call.name == "Bash" else call.output
    return "\n\n".join(filter(None, (asked, came)))


def _call(block: ToolBlock, project: str = "") -> Call:
    failed = block.state in _FAILED
    return Call(block.name, block.input, block.details, block.output, failed, project)


def _view(call: Call) -> ToolView:
    return _CARDS.get(call.name, others.any_tool)(call)
