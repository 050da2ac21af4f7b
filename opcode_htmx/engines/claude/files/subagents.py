"""The history of subagents: a file for each, beside the history of its session.

In `<session>/subagents/` an agent has `agent-<id>.jsonl`, in newer versions with a `.meta.json`
that names its call. Its lines come before the call's result, as on stdout.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.claude.protocol.user_entries import parts_of
from opcode_htmx.engines.contents import Content, TextContent, ToolResult
from opcode_htmx.engines.messages import Message, SystemEvent, User
from opcode_htmx.engines.user_parts import TaskNotification
from opcode_htmx.lib.coerce import Json, as_dict, as_str
from opcode_htmx.lib.late.patterns import late_pattern

_AGENT_ID = late_pattern(r"[A-Za-z0-9_-]{1,100}")


def folder_of(history_file: Path) -> Path:
    return history_file.with_suffix("") / "subagents"


def file_of(folder: Path, agent_id: str) -> Path | None:
    """The file of an agent, if there is one. A link is not followed."""
    path = folder / f"agent-{agent_id}.jsonl"
    there = _AGENT_ID.fullmatch(agent_id) and path.is_file() and not path.is_symlink()
    return path if there else None


def files_in(folder: Path) -> list[tuple[str, os.stat_result]]:
    """The ids of the agents that have a file in a folder, with the status of each.

    None where there is no such folder. A link is not followed.
    """
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                agent, _, ending = entry.name.removeprefix("agent-").rpartition(".")
                is_named = entry.name.startswith("agent-") and ending == "jsonl"
                if is_named and _AGENT_ID.fullmatch(agent) and entry.is_file(follow_symlinks=False):
                    found.append((agent, entry.stat(follow_symlinks=False)))
    except OSError:  # there is none, or it is removed in this moment
        pass
    return found


def agents_by_call(folder: Path) -> dict[str, str]:
    """The ids of the agents by the ids of the calls that started them, where recorded."""
    found = {}
    for path in folder.glob("agent-*.meta.json"):
        try:
            call = as_dict(json.loads(path.read_bytes())).get("toolUseId")
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(call, str):
            found[call] = path.name.removeprefix("agent-").removesuffix(".meta.json")
    return found


def session_of(file: Path) -> Path:
    """The history file of the session that an agent's file belongs to."""
    return file.parent.parent.with_suffix(".jsonl")


def type_of(file: Path) -> str:
    """The type of the agent whose history is in `file`; empty where it is not recorded."""
    try:
        about = as_dict(json.loads(file.with_suffix(".meta.json").read_bytes()))
    except (OSError, ValueError, RecursionError):
        return ""
    return as_str(about.get("agentType"))[:100]


def ended(message: Message) -> tuple[str, str] | None:
    """The call and the id of a background agent, if a line of history reports its end."""
    if isinstance(message, User) and any(map(_may_notify, message.content)):
        for part in parts_of(message):
            if isinstance(part, TaskNotification) and part.tool_use_id:
                return part.tool_use_id, part.task_id
    return None


def _may_notify(content: Content) -> bool:
    """A cheap check: most lines are no notifications."""
    return isinstance(content, TextContent) and "task-notification" in content.text


class Subagents:
    """The subagents of one history file. Each is returned once."""

    def __init__(self, history_file: Path) -> None:
        self._folder = folder_of(history_file)
        self._returned: set[Path] = set()
        self._by_call: tuple[int, dict[str, str]] = 0, {}

    def before(self, message: Message) -> Iterator[Message]:
        """The lines of the subagents whose end `message` reports."""
        if end := ended(message):
            yield from self._once(*end)
        elif isinstance(message, User):
            account = as_dict(message.tool_result)
            if account.get("status") == "async_launched":
                return
            for result in message.content:
                if isinstance(result, ToolResult):
                    call = result.tool_use_id
                    agent_id = as_str(account.get("agentId")) or self._sent_by(call)
                    yield from self._once(call, agent_id)

    def _sent_by(self, call: str) -> str:
        """The agent that a call started; results of failed calls, and of agents, do not name it."""
        try:
            changed = self._folder.stat().st_mtime_ns
        except OSError:
            return ""
        if self._by_call[0] != changed:
            self._by_call = changed, agents_by_call(self._folder)
        return self._by_call[1].get(call, "")

    def _once(self, call: str, agent_id: str) -> Iterator[Message]:
        path = file_of(self._folder, agent_id)
        if path is None or path in self._returned:
            return
        self._returned.add(path)
        with contextlib.suppress(OSError), path.open("rb") as file:
            for line in file:
                message = parser.parse_of_subagent(line, call)
                yield from self.before(message)
                yield message
        # its open calls stay open
        end: Json = {"tool_use_id": call}
        yield SystemEvent("task_notification", "", end)
