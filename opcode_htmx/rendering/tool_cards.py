"""What a tool was asked to do and what it did, in the words and parts that a card shows.

Which card a tool gets stands here; the cards themselves are made in `cards`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.cooperative import run_cpu_in_thread
from opcode_htmx.markup.links import link
from opcode_htmx.rendering.cards import commands, files, others
from opcode_htmx.rendering.cards.parts import (
    LONGEST_JSON,
    SHOWN_CHARACTERS,
    Call,
    Cut,
    ToolView,
    cut,
)
from opcode_htmx.transcript.blocks import (
    AskBlock,
    ShellBlock,
    TextBlock,
    ToolBlock,
    ToolState,
)
from opcode_htmx.transcript.cli_text import as_json
from opcode_htmx.transcript.content import other_content
from opcode_htmx.transcript.content.other_content import Part
from opcode_htmx.transcript.content.raw import log_failure, raw_text
from opcode_htmx.transcript.content.weight import is_heavy

__all__ = [
    "SHOWN_CHARACTERS",
    "Cut",
    "ToolView",
    "cut",
    "present",
    "present_block",
    "result_text",
    "whole",
]

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


def _if_failed(call: Call) -> str:
    """What a tool printed, unless it succeeded: a confirmation is for the model only."""
    return call.printed if call.failed else ""


_TEXTS: dict[str, Callable[[Call], str]] = {
    "Bash": commands.result_text,
    "Read": files.read_text,
    "Edit": _if_failed,
    "MultiEdit": _if_failed,
    "Write": _if_failed,
    "NotebookEdit": _if_failed,
    "Task": others.agent_report,
    "Agent": others.agent_report,
    "WebSearch": others.web_search_text,
    "TodoWrite": _if_failed,
    "TaskCreate": _if_failed,
    "TaskUpdate": _if_failed,
    "AskUserQuestion": others.answers_text,
    "ExitPlanMode": _if_failed,
}
"""What came of a call as plain text, where that is not simply what the tool printed."""
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
    """What the card cuts, in full: what was asked for where that is long, and what came of it.

    Of one that cannot be read so, its data as they are. Others have their turn while there is much
    in it.
    """
    try:
        return run_cpu_in_thread(_whole, block) if is_heavy(block) else _whole(block)
    except Exception:
        log_failure(block, "shown whole")
        return raw_text(block)


def _whole(block: ToolBlock | AskBlock | ShellBlock) -> str:
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
    return "\n\n".join(filter(None, (asked, _result_text(call))))


def result_text(block: ToolBlock) -> str:
    """All that came of a call, as the card shows it, as plain text and uncut."""
    return _result_text(_call(block))


def _result_text(call: Call) -> str:
    text = _TEXTS[call.name](call) if call.name in _TEXTS else call.printed
    beside = other_content.all_in_text(call.parts)
    return "\n".join(filter(None, (text, beside, *map(other_content.in_text, _beside(call)))))


def _beside(call: Call) -> tuple[Part, ...]:
    """What an MCP server gave back beside the parts of its result."""
    found = []
    value = call.result.get("structuredContent")
    if value is not None and not _holds(call.output, value):
        found.append(other_content.structured(value))
    named = call.result.get("resourceLinks")
    for each in named if isinstance(named, list) else ():
        # the text has the address, but cannot be followed
        if isinstance(each, dict) and (link(each.get("uri")) or str(each) not in call.output):
            found.append(other_content.linked(each))
    return tuple(found)


def _holds(text: str, value: object) -> bool:
    if len(text) > LONGEST_JSON:
        return False
    try:
        return bool(json.loads(text) == value)
    except (ValueError, RecursionError):
        return False


def _call(block: ToolBlock, project: str = "") -> Call:
    failed = block.state in _FAILED
    return Call(block.name, block.input, block.details, block.output, failed, project, block.parts)


def _view(call: Call) -> ToolView:
    view = _CARDS.get(call.name, others.any_tool)(call)
    parts = (view.parts or other_content.others(call.parts)) + _beside(call)
    return replace(view, parts=parts, quiet=view.quiet and not parts) if parts else view
