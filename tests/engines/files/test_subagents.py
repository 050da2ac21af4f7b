"""The work of subagents, read from the files that Claude keeps beside a session's history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.files.subagents import Subagents
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.transcript.blocks import Block, TextBlock, ToolBlock
from opcode_htmx.transcript.fold import Transcript


def text(words: str, message_id: str) -> dict[str, Any]:
    message = {"id": message_id, "content": [{"type": "text", "text": words}]}
    return {"type": "assistant", "uuid": message_id, "message": message}


def call(tool: str, name: str = "Task") -> dict[str, Any]:
    use = {"type": "tool_use", "id": tool, "name": name, "input": {}}
    message = {"id": f"m-{tool}", "content": [use]}
    return {"type": "assistant", "uuid": f"u-{tool}", "message": message}


def result(tool: str, account: object = None, *, error: bool = False) -> dict[str, Any]:
    part = {"type": "tool_result", "tool_use_id": tool, "content": "ok", "is_error": error}
    entry = {"type": "user", "uuid": f"r-{tool}", "message": {"content": [part]}}
    return {**entry, "toolUseResult": account}


def notification(tool: str, agent: str) -> dict[str, Any]:
    words = f"<task-id>{agent}</task-id>\n<tool-use-id>{tool}</tool-use-id>"
    content = f"<task-notification>\n{words}\n</task-notification>"
    return {"type": "user", "uuid": f"n-{tool}", "message": {"content": content}}


class Files:
    def __init__(self, folder: Path) -> None:
        self.history = folder / "11111111-1111-4111-8111-111111111111.jsonl"
        self.beside = self.history.with_suffix("") / "subagents"
        self.beside.mkdir(parents=True)

    def agent(self, agent: str, *entries: dict[str, Any], sent_by: str = "") -> None:
        lines = (json.dumps({**entry, "isSidechain": True}) for entry in entries)
        (self.beside / f"agent-{agent}.jsonl").write_text("".join(f"{line}\n" for line in lines))
        if sent_by:
            about = json.dumps({"toolUseId": sent_by})
            (self.beside / f"agent-{agent}.meta.json").write_text(about)

    def fold(self, *entries: dict[str, Any]) -> Transcript:
        transcript, beside = Transcript("0", run_id=None), Subagents(self.history)
        for number, entry in enumerate(entries, start=1):
            message = parser.parse(json.dumps(entry).encode())
            for earlier in beside.before(message):
                transcript.feed(earlier, number)
            transcript.feed(message, number)
        return transcript


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def words(blocks: list[Block]) -> list[object]:
    """Texts, and of tools their id, state and children."""
    said: list[object] = []
    for block in blocks:
        match block:
            case TextBlock():
                said.append("".join(block.source))
            case ToolBlock():
                said.append((block.id, block.state.value, words(block.children)))
            case _:
                said.append(block.kind)
    return said


def test_subagent_work_is_shown_once_in_its_call(files: Files) -> None:
    files.agent("a1", text("I dig.", "m1"), call("b", "Bash"), result("b"), text("Dug.", "m2"))
    transcript = files.fold(
        call("t"), result("t", {"agentId": "a1"}), result("t", {"agentId": "a1"})
    )
    assert words(transcript.blocks) == [("t", "done", ["I dig.", ("b", "done", []), "Dug."])]
    orders = [block.order for block in transcript]
    assert len(set(orders)) == len(orders)


def test_nested_agent_is_shown_inside_its_parent(files: Files) -> None:
    files.agent("a1", call("t2"), result("t2"), text("Both.", "m1"))
    files.agent("a2", text("Deep.", "m2"), sent_by="t2")
    transcript = files.fold(call("t"), result("t", {"agentId": "a1"}))
    assert words(transcript.blocks) == [("t", "done", [("t2", "done", ["Deep."]), "Both."])]


def test_background_agent_is_running_until_its_end_is_reported(files: Files) -> None:
    files.agent("a1", text("Deep.", "m1"))
    lines = call("t"), result("t", {"status": "async_launched", "agentId": "a1"})
    early = files.fold(*lines).blocks[0]
    assert isinstance(early, ToolBlock)
    assert (early.is_finished, early.children) == (False, [])
    late = files.fold(*lines, notification("t", "a1")).blocks[0]
    assert isinstance(late, ToolBlock)
    assert late.is_finished
    assert words([late]) == [("t", "done", ["Deep."])]


def test_interrupted_agent_leaves_no_running_block(files: Files) -> None:
    files.agent("a1", call("b", "Bash"), sent_by="t")
    transcript = files.fold(call("t"), result("t", "Rejected", error=True))
    assert words(transcript.blocks) == [("t", "error", [("b", "interrupted", [])])]


@pytest.mark.parametrize("agent", ["../../x", "nobody", "", "a/b", 7, None])
def test_agent_without_a_file_is_omitted(files: Files, agent: object) -> None:
    (files.history.parent / "x.jsonl").write_text(json.dumps(text("Secret.", "m1")))
    transcript = files.fold(call("t"), result("t", {"agentId": agent}))
    assert words(transcript.blocks) == [("t", "done", [])]


def test_half_a_line_at_the_end_of_an_agents_file_is_left_out(files: Files) -> None:
    files.agent("a1", text("I dig.", "m1"))
    with (files.beside / "agent-a1.jsonl").open("a") as file:
        file.write('{"type": "assis')
    transcript = files.fold(call("t"), result("t", {"agentId": "a1"}))
    assert words(transcript.blocks) == [("t", "done", ["I dig."])]
