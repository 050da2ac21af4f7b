"""Derive Claude's to-do list from the tool calls that write it. Pure.

One tool writes the whole list; its successors create and update tasks one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.transcript.blocks import (
    Block,
    PromptBlock,
    ToolBlock,
    ToolState,
)
from opcode_htmx.transcript.content.raw import log_failure

_TOOLS = frozenset({"TodoWrite", "TaskCreate", "TaskUpdate"})
_STATES = {"completed": "done", "in_progress": "now", "pending": "open"}
_CREATED = late_pattern(r"Task #(\S+) created")
_FAILED = frozenset({ToolState.ERROR, ToolState.DENIED, ToolState.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Todo:
    """One task."""

    id: str
    text: str
    doing: str
    """The wording while the task is in progress; may be empty."""
    state: str
    """open, now or done."""

    @property
    def now(self) -> bool:
        return self.state == "now"


def affects_list(block: Block) -> bool:
    """Whether the list may depend on a block."""
    return isinstance(block, PromptBlock) or (isinstance(block, ToolBlock) and block.name in _TOOLS)


def is_written_by(events: Iterable[Block]) -> bool:
    """Whether the list follows from these calls alone: one of them has written all of it."""
    return any(
        isinstance(event, ToolBlock)
        and event.name == "TodoWrite"
        and event.state not in _FAILED
        and isinstance(event.input.get("todos"), list)
        for event in events
    )


def todo_list(events: Iterable[Block], before: Sequence[Todo] = ()) -> tuple[Todo, ...]:
    """The list after these calls; a prompt after a list that is done clears it.

    `before` is the list in front of them.
    """
    todos = {todo.id: todo for todo in before}
    for event in events:
        if isinstance(event, PromptBlock):
            if all(todo.state == "done" for todo in todos.values()):
                todos = {}
        elif isinstance(event, ToolBlock) and event.state not in _FAILED:
            try:
                todos = _apply(todos, event)
            except Exception:  # a call that cannot be read is skipped
                log_failure(event, "read as a change of the list of tasks")
    return tuple(todos.values())


def done(todos: Sequence[Todo]) -> int:
    """The number of tasks that are done."""
    return sum(todo.state == "done" for todo in todos)


def headline(todos: Sequence[Todo]) -> str:
    """The task in progress, or else the next one; empty if all are done."""
    doing = next((todo.doing or todo.text for todo in todos if todo.now), "")
    return doing or next((todo.text for todo in todos if todo.state == "open"), "")


def progress_text(raw: object) -> str:
    """The progress of a list in the form of TodoWrite: `2 of 5 done`, or `empty`."""
    todos = _parse_list(raw).values()
    return f"{done(list(todos))} of {len(todos)} done" if todos else "empty"


def _apply(todos: dict[str, Todo], call: ToolBlock) -> dict[str, Todo]:
    match call.name:
        case "TodoWrite" if isinstance(call.input.get("todos"), list):
            return _parse_list(call.input["todos"])
        case "TaskCreate" if call.state is ToolState.DONE:
            id_ = _created_id(call)
            todo = Todo(id_, _str(call.input, "subject"), _str(call.input, "activeForm"), "open")
            return {**todos, id_: todo} if todo.text else todos
        case "TaskUpdate" if call.state is ToolState.DONE:
            return _updated(todos, call.input)
    return todos


def _parse_list(raw: object) -> dict[str, Todo]:
    items = [each for each in raw if isinstance(each, dict)] if isinstance(raw, list) else []
    return {
        str(number): Todo(
            str(number),
            _str(item, "content"),
            _str(item, "activeForm"),
            _STATES.get(_str(item, "status"), "open"),
        )
        for number, item in enumerate(items)
        if _str(item, "content")
    }


def _updated(todos: dict[str, Todo], changes: Json) -> dict[str, Todo]:
    id_, status = _str(changes, "taskId"), _str(changes, "status")
    todo = todos.get(id_)
    if todo is None:
        return todos
    if status == "deleted":
        return {key: value for key, value in todos.items() if key != id_}
    newer = replace(
        todo,
        text=_str(changes, "subject") or todo.text,
        doing=_str(changes, "activeForm") or todo.doing,
        state=_STATES.get(status, todo.state),
    )
    return {**todos, id_: newer}


def _created_id(call: ToolBlock) -> str:
    details = call.details if isinstance(call.details, dict) else {}
    task = details.get("task")
    known = _str(task, "id") if isinstance(task, dict) else ""
    found = _CREATED.search(call.output)
    return known or (found[1] if found else call.id)


def _str(raw: Json, key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""
