"""Choose the card for a tool call, and give its contents as a view or as plain text.

The cards themselves are made in the package `cards`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

from opcode_htmx.engines.messages import ElicitationRequest
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.markup.addresses.links import link
from opcode_htmx.rendering.asks import decisions
from opcode_htmx.rendering.cards import commands, files, others
from opcode_htmx.rendering.cards.parts import (
    LONGEST_JSON,
    SHOWN_CHARACTERS,
    Call,
    CutText,
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
    "CutText",
    "ToolView",
    "cut",
    "present",
    "present_block",
    "result_text",
    "full_text",
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
    """The output of a failed tool; of a successful one it is a confirmation for the model only."""
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
"""Functions for the result as plain text, for tools where that is not just the output."""
_FAILED = frozenset({ToolState.ERROR, ToolState.DENIED, ToolState.INTERRUPTED})


def present(name: str, tool_input: Json, details: object, project: str) -> ToolView:
    """The view of a call without a result; paths inside `project` are shown relative to it."""
    return _view(Call(name, tool_input, details, project=project))


def present_block(block: ToolBlock, project: str) -> ToolView:
    """The view of a call and its result."""
    call = _call(block, project)
    view = replace(_view(call), reason=decisions.reason(block, call.printed))
    if block.is_denied_by_person:
        return replace(view, shown=None)  # the same words, or ours for Claude
    last = block.children[-1] if block.children else None
    if (
        view.said
        and isinstance(last, TextBlock)
        and "".join(last.source).strip() == view.said.strip()
    ):
        return replace(view, said="")  # an agent's report is its last text, which is shown already
    return view


def full_text(block: ToolBlock | AskBlock | ShellBlock) -> str:
    """The uncut text of a card: the input if it is long, and the result; raw data if that fails.

    The text of a heavy block is made in a thread.
    """
    try:
        return run_cpu_in_thread(_full_text, block) if is_heavy(block) else _full_text(block)
    except Exception:
        log_failure(block, "shown in full")
        return raw_text(block)


def _full_text(block: ToolBlock | AskBlock | ShellBlock) -> str:
    if isinstance(block, ShellBlock):
        command = f"$ {block.command}" if block.command else ""
        return "\n\n".join(filter(None, (command, block.stdout, block.stderr)))
    if isinstance(block, AskBlock):
        if isinstance(block.request, ElicitationRequest):
            return as_json(asdict(block.request))
        call = Call(block.request.tool_name, block.request.input)
    else:
        call = _call(block)
    view = _view(call)
    asked = "\n".join(line.text for line in view.changes)
    if not asked and (isinstance(block, AskBlock) or view.command and view.command.left_out):
        asked = call.text("command") or call.text("prompt") or as_json(call.input)
    return "\n\n".join(filter(None, (asked, _result_text(call))))


def result_text(block: ToolBlock) -> str:
    """The result of a call as the card shows it, as plain text and uncut."""
    return _result_text(_call(block))


def _result_text(call: Call) -> str:
    text = _TEXTS[call.name](call) if call.name in _TEXTS else call.printed
    others = other_content.all_as_text(call.parts)
    return "\n".join(filter(None, (text, others, *map(other_content.as_text, _extra_parts(call)))))


def _extra_parts(call: Call) -> tuple[Part, ...]:
    """The values and links that an MCP server returned in addition to the parts of its result."""
    found = []
    value = call.result.get("structuredContent")
    if value is not None and not _is_json_of(call.output, value):
        found.append(other_content.structured(value))
    links = call.result.get("resourceLinks")
    for each in links if isinstance(links, list) else ():
        # A URL in the text is not a link
        if isinstance(each, dict) and (link(each.get("uri")) or str(each) not in call.output):
            found.append(other_content.linked(each))
    return tuple(found)


def _is_json_of(text: str, value: object) -> bool:
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
    parts = (view.parts or other_content.others(call.parts)) + _extra_parts(call)
    return replace(view, parts=parts, quiet=view.quiet and not parts) if parts else view
