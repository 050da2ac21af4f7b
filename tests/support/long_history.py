"""Write history files of any shape, event by event, with the links and ids of the CLI."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class HistoryWriter:
    """A history file as one or two programs write it. Each event takes a number that varies it."""

    path: Path
    leaf: str | None = None
    _lines: list[dict[str, Any] | str] = field(default_factory=list)
    _count: int = 0
    _prompts: list[tuple[str, str | None]] = field(default_factory=list)
    """The uuids of the prompts, each with that of the entry before it."""
    _late: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    """What is written later: after how many more events, and by which function."""

    def play(self, name: str, number: int) -> None:
        """Write the event with this name, and what is due."""
        getattr(self, name)(number)
        due = [write for after, write in self._late if after <= 0]
        self._late = [(after - 1, write) for after, write in self._late if after > 0]
        for write in due:
            write()

    def save(self, torn: int = 0) -> Path:
        """Write the file, without its last `torn` bytes."""
        lines = (each if isinstance(each, str) else json.dumps(each) for each in self._lines)
        data = "".join(f"{line}\n" for line in lines).encode()
        self.path.write_bytes(data[: len(data) - torn] if torn else data)
        return self.path

    # --- entries ----------------------------------------------------------------------------

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count:05}"

    def entry(self, type_: str, parent: str | None = "", **fields: Any) -> str:
        """Add an entry, and return its uuid; it continues the newest one, or `parent`."""
        uuid = f"{self._count:08}-0000-4000-8000-{len(self._lines):012}"
        link = self.leaf if parent == "" else parent
        self._lines.append({"parentUuid": link, "type": type_, "uuid": uuid, **fields})
        self.leaf = uuid
        return uuid

    def _say(self, *contents: dict[str, Any], parent: str | None = "") -> str:
        """A message of Claude's, a line for each content; the uuid of the last one."""
        message_id, uuid = self._id("msg_"), ""
        for content in contents:
            usage = {"input_tokens": self._count}
            message = {"id": message_id, "content": [content], "usage": usage}
            uuid = self.entry("assistant", parent, message=message)
            parent = ""
        return uuid

    def _call(self, name: str = "Bash", **tool_input: Any) -> tuple[str, str]:
        call = self._id("toolu_")
        use = {"type": "tool_use", "id": call, "name": name, "input": tool_input}
        return call, self._say(use)

    def _result(self, call: str, parent: str | None = "", details: object = None) -> None:
        result = {"type": "tool_result", "tool_use_id": call, "content": f"of {call}"}
        self.entry("user", parent, message={"content": [result]}, toolUseResult=details)

    def _words(self, number: int) -> dict[str, Any]:
        return {"type": "text", "text": f"Words {self._count} *{number}*\n\n- one"}

    # --- events -----------------------------------------------------------------------------

    def prompt(self, number: int) -> None:
        before = self.leaf
        text = f"Prompt {self._id('')} {number}"
        uuid = self.entry("user", message={"content": text}, promptSource="typed")
        self._prompts.append((uuid, before))

    def answer(self, number: int) -> None:
        thoughts = {"type": "thinking", "thinking": f"Thoughts {number}"}
        self._say(*[thoughts] * (number % 2), self._words(number), *[self._words(1)] * (number % 3))

    def tool(self, number: int) -> None:
        call, _ = self._call(command=f"ls {number}")
        self._result(call)

    def parallel_tools(self, number: int) -> None:
        message_id, calls = self._id("msg_"), []
        for at in range(2 + number % 2):
            call = self._id("toolu_")
            use = {"type": "tool_use", "id": call, "name": "Read", "input": {"file_path": f"/{at}"}}
            message = {"id": message_id, "content": [use]}
            calls.append((call, self.entry("assistant", message=message)))
        for call, uuid in calls:
            self._result(call, uuid)

    def slow_tool(self, number: int) -> None:
        call, _ = self._call(command="make")
        self._late.append((number, lambda: self._result(call)))

    def open_call(self, number: int) -> None:
        self._call(command=f"sleep {number}")

    def agent(self, number: int) -> None:
        call, _ = self._call("Task", prompt="Look", description="Look")
        agent = self._agent_file(number)
        self._result(call, details={"agentId": agent, "status": "completed"})

    def background_agent(self, number: int) -> None:
        call, _ = self._call("Task", prompt="Look", description="Look")
        agent = self._agent_file(number)
        self._result(call, details={"agentId": agent, "status": "async_launched"})
        note = f"<task-id>{agent}</task-id><tool-use-id>{call}</tool-use-id>"
        note = f"<task-notification>{note}<status>completed</status></task-notification>"
        origin = {"kind": "task-notification"}
        self._late.append(
            (number, lambda: str(self.entry("user", message={"content": note}, origin=origin)))  # type: ignore[arg-type]
        )

    def _agent_file(self, number: int) -> str:
        agent = self._id("a")
        folder = self.path.with_suffix("") / "subagents"
        folder.mkdir(parents=True, exist_ok=True)
        text = {"type": "text", "text": f"Found {number}"}
        message = {"id": self._id("msg_"), "content": [text]}
        line = {"type": "assistant", "uuid": f"of-{agent}", "isSidechain": True, "message": message}
        (folder / f"agent-{agent}.jsonl").write_text(f"{json.dumps(line)}\n")
        return agent

    def interruption(self, number: int) -> None:
        content = [{"type": "text", "text": "[Request interrupted by user]"}]
        self.entry("user", message={"content": content})

    def slash_command(self, number: int) -> None:
        words = f"<command-name>/cost</command-name><command-args>{number}</command-args>"
        self.entry("user", message={"content": words})
        output = f"<local-command-stdout>{self._id('')}</local-command-stdout>"
        self.entry("user", message={"content": output})

    def shell(self, number: int) -> None:
        self.entry("user", message={"content": f"<bash-input>ls {self._id('')}</bash-input>"})
        output = f"<bash-stdout>{number}</bash-stdout><bash-stderr></bash-stderr>"
        self.entry("user", message={"content": output})

    def retry(self, number: int) -> None:
        self.entry("system", subtype="api_error", retryAttempt=number + 1, maxRetries=10)

    def notice(self, number: int) -> None:
        self.entry("system", subtype="informational", content=f"Notice {self._id('')}")

    def queued_prompt(self, number: int) -> None:
        queued = {"type": "queued_command", "prompt": f"Queued {self._id('')}"}
        self.entry("attachment", attachment={**queued, "source_uuid": f"queued-{self._count}"})

    def compaction(self, number: int) -> None:
        kept = [str(each["uuid"]) for each in self._lines[-3:] if "uuid" in each]  # type: ignore[index]
        metadata: dict[str, Any] = {"trigger": "auto", "preTokens": 900}
        if number % 2:
            metadata["preservedMessages"] = {"uuids": kept}
        fields = {"subtype": "compact_boundary", "compactMetadata": metadata}
        self.entry("system", None, logicalParentUuid=self.leaf, **fields)
        content = {"content": f"Summary {number}"}
        self.entry("user", message=content, isCompactSummary=True)

    def rewind(self, number: int) -> None:
        if self._prompts:
            cut, leaf = self._prompts[-1 - number % min(len(self._prompts), 4)]
            fields = {"explicit": True, "rewound": True, "cutUuid": cut}
            self._lines.append({"type": "last-prompt", "leafUuid": leaf, **fields})
            self.leaf = leaf

    def edited_prompt(self, number: int) -> None:
        if self._prompts:
            self.leaf = self._prompts[-1 - number % min(len(self._prompts), 4)][1]
        self.prompt(number)

    def checkpoint(self, number: int) -> None:
        self._lines.append({"type": "last-prompt", "leafUuid": self.leaf})

    def other_program(self, number: int) -> None:
        """Another program, which has not read the newest entries, says something."""
        uuids = [each["uuid"] for each in self._lines if isinstance(each, dict) and "uuid" in each]
        here, self.leaf = self.leaf, uuids[-1 - number % len(uuids)] if uuids else None
        self.prompt(number)
        self.answer(number)
        self.leaf = here if number % 2 else self.leaf

    def new_root(self, number: int) -> None:
        self.leaf = None
        self.prompt(number)

    def lost_parent(self, number: int) -> None:
        self.leaf = f"lost-{number}"
        self.prompt(number)

    def parent_below(self, number: int) -> None:
        """A prompt that continues an entry which is written later; with a record of that one."""
        here, parent = self.leaf, f"{self._id('b'):x>8}-0000-4000-8000-{number:012}"
        if number % 2:
            self._lines.append({"type": "last-prompt", "leafUuid": parent})
        self.leaf = parent
        self.prompt(number)

        def write_parent() -> None:
            goes_on_from = self.leaf
            self._say(self._words(number), parent=here)
            self._lines[-1]["uuid"] = parent  # type: ignore[index]
            self.leaf = goes_on_from

        self._late.append((number // 2, write_parent))

    def again(self, number: int) -> None:
        """A line that stands in the file already."""
        if self._lines:
            self._lines.append(self._lines[-1 - number % len(self._lines)])

    def todo_list(self, number: int) -> None:
        states = ["completed", "in_progress", "pending"]
        todos = [{"content": f"Do {at}", "status": states[(at + number) % 3]} for at in range(2)]
        call, _ = self._call("TodoWrite", todos=todos)
        self._result(call)

    def new_task(self, number: int) -> None:
        call, _ = self._call("TaskCreate", subject=f"Task {number}")
        self._result(call, details={"task": {"id": str(number)}})

    def task_update(self, number: int) -> None:
        states = ("completed", "in_progress", "deleted")
        call, _ = self._call("TaskUpdate", taskId=str(number % 3), status=states[number % 3])
        self._result(call)

    def cost(self, number: int) -> None:
        used = {"m": {"contextWindow": 200_000 + number, "inputTokens": 1}}
        state = {"type": "cost-state", "totalCostUSD": 0.5 + number}
        self._lines.append({**state, "modelUsage": used})

    def unknown(self, number: int) -> None:
        self._lines.append({"type": "of-tomorrow", "uuid": f"unknown-{self._id('')}"})

    def no_json(self, number: int) -> None:
        self._lines.append("" if number % 2 else '{"type": "us')


USUAL = ("prompt", "answer", "tool", "parallel_tools")
EVENTS = (
    *("slow_tool", "open_call", "agent", "background_agent", "interruption", "slash_command"),
    *("shell", "retry", "notice", "queued_prompt", "compaction", "rewind", "edited_prompt"),
    *("checkpoint", "other_program", "new_root", "lost_parent", "again", "todo_list"),
    "parent_below",
    *("new_task", "task_update", "cost", "unknown", "no_json"),
)
