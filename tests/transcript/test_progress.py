"""Metadata of a session: activity, context usage and title."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import titles
from opcode_htmx.engines.claude.files.session_summary import summarize
from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.rendering import search, to_markdown
from opcode_htmx.rendering.activity_text import activity_of, call_text, request_text
from opcode_htmx.transcript.blocks import ToolBlock
from tests.support.cli.captured import line
from tests.transcript.metadata import assistant, fold


def tool(name: str, tool: str, **tool_input: object) -> dict[str, object]:
    return {"type": "tool_use", "id": name, "name": tool, "input": tool_input}


# --- progress -------------------------------------------------------------------------------


def test_the_context_is_that_of_the_newest_answer_and_not_of_a_subagent() -> None:
    usage = {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300}
    transcript = fold(
        assistant("a", usage=usage),
        assistant("b", usage={"input_tokens": 9}, parent_tool_use_id="task"),
        assistant("c", usage={}),
    )
    assert transcript.context_usage.tokens == 321


def test_the_window_is_that_of_the_model_that_did_the_work() -> None:
    models = {
        "helper": {"inputTokens": 5, "contextWindow": 1},
        "main": {"inputTokens": 2, "cacheReadInputTokens": 90, "contextWindow": 200_000},
    }
    transcript = fold(line(type="result", subtype="success", modelUsage=models, total_cost_usd=0.5))
    assert (transcript.context_usage.window, transcript.context_usage.cost_usd) == (200_000, 0.5)
    noted = fold(line(type="cost-state", totalCostUSD=0.25, modelUsage=models), live=False)
    assert (noted.context_usage.window, noted.context_usage.cost_usd) == (200_000, 0.25)
    assert noted.blocks == []


def test_context_size_is_unknown_after_a_compaction() -> None:
    transcript = fold(
        assistant("a", usage={"input_tokens": 9}), line(type="system", subtype="compact_boundary")
    )
    assert transcript.context_usage.tokens == 0


def test_later_files_override_only_the_values_they_contain() -> None:
    first = fold(
        line(type="cost-state", totalCostUSD=0.25), assistant("a", usage={"input_tokens": 9})
    )
    second = fold(line(type="result", total_cost_usd=0.5))
    usage = second.context_usage.or_else(first.context_usage)
    assert (usage.tokens, usage.cost_usd) == (9, 0.5)


def test_a_tool_began_when_claude_called_it() -> None:
    moment = "2026-11-21T16:06:15.000Z"
    transcript = fold(assistant("a", tool("t", "Bash"), timestamp=moment))
    assert transcript.context_usage.tool_starts == {"t": 1795277175.0}


def test_a_turn_is_as_old_as_its_newest_entry() -> None:
    def prompt(at: str) -> bytes:
        return line(type="user", uuid=at, isReplay=True, message={"content": "x"}, timestamp=at)

    def began(*lines: bytes) -> float:
        return fold(*lines).context_usage.said_at - 1795277100

    answer = assistant("a", timestamp="2026-11-21T16:05:15Z")
    of_subagent = assistant("s", timestamp="2026-11-21T16:09:00Z", parent_tool_use_id="t")
    turn = [prompt("2026-11-21T16:05:09Z"), answer, of_subagent]
    assert began(*turn[:1]) == 9
    assert began(*turn) == 15
    over = [*turn, line(type="result", subtype="success")]
    assert fold(*over).context_usage.said_at == 0
    assert began(*over, prompt("2026-11-21T16:05:10Z")) == 15, "it has waited for its turn"
    begun = line(type="command_lifecycle", command_uuid="p", state="started")
    assert fold(*turn, begun).context_usage.said_at == 0
    ahead = assistant("w", timestamp="2199-01-01T00:00:00Z")
    assert began(prompt("2199-01-01T00:00:00Z"), ahead, over[-1], answer) == 15


# --- doing ----------------------------------------------------------------------------------


def test_status_text_is_cut_before_a_long_gap() -> None:
    command = f"ls{' ' * 200}; rm -rf ~"
    assert call_text("Bash", {"command": command}) == "Running ls …"
    request = PermissionRequest("r", "Bash", {"command": command}, "t", "", "", ())
    assert request_text(request) == "Bash: ls …"


@pytest.mark.parametrize(
    ("name", "tool_input", "words"),
    [
        ("Bash", {"command": "npm test\nmore"}, "Running npm test …"),
        ("Edit", {"file_path": "/home/me/app.py"}, "Editing app.py"),
        ("Grep", {"pattern": "x+"}, "Searching for x+"),
        ("WebFetch", {"url": "https://example.org/a/b"}, "Fetching example.org"),
        ("TodoWrite", {"todos": []}, "Planning"),
        ("Task", {"description": "Look"}, "Agent: Look"),
        ("mcp__box__open", {}, "Using box: open"),
        ("AskUserQuestion", {"questions": []}, "Asking a question"),
        ("Bash", {"command": ["no", "text"]}, "Using Bash"),
    ],
)
def test_tool_call_is_the_activity_text(
    name: str, tool_input: dict[str, object], words: str
) -> None:
    assert call_text(name, tool_input) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AskUserQuestion", "Preparing a question…"),
        ("ExitPlanMode", "Preparing a plan…"),
        ("Bash", "Preparing Bash…"),
    ],
)
def test_a_call_that_is_being_written_is_named_for_people(name: str, words: str) -> None:
    block = ToolBlock(id="t", order="1.1", created=1, revision=1, name=name, input={})
    assert activity_of(block) == words


def test_a_long_command_is_cut() -> None:
    assert len(call_text("Bash", {"command": "x" * 1000})) == 80


def test_activity_is_the_newest_running_tool_or_else_the_streamed_text() -> None:
    start = line(
        type="stream_event",
        event={
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "Hm"},
        },
        api_message_id="m",
    )
    assert activity_of(fold(start).current) == "Thinking…"
    running = [assistant("a", tool("t", "Bash", command="ls"), tool("u", "Read", file_path="/b"))]
    transcript = fold(*running)
    assert activity_of(transcript.current) == "Reading b"
    done = {"type": "tool_result", "tool_use_id": "u", "content": "ok"}
    after = fold(*running, line(type="user", uuid="x", message={"content": [done]}))
    assert activity_of(after.current) == "Running ls"
    assert activity_of(fold(assistant("b", {"type": "text", "text": "Done."})).current) == ""


def test_request_is_summarised_in_a_few_words() -> None:
    def summary(name: str, tool_input: dict[str, object]) -> str:
        return request_text(PermissionRequest("r", name, tool_input, "t", "", "", ()))

    assert summary("AskUserQuestion", {"questions": []}) == "a question"
    assert summary("ExitPlanMode", {"plan": "x"}) == "a plan"
    assert summary("Bash", {"command": "npm test"}) == "Bash: npm test"
    assert summary("Write", {"file_path": "/a/b.txt"}) == "Write: b.txt"
    assert summary("Odd", {"command": 3}) == "Odd"


# --- titles ---------------------------------------------------------------------------------


def titled(path: Path, *entries: dict[str, str]) -> str | None:
    path.write_bytes(b"".join(line(**entry) for entry in entries))
    stat = path.stat()
    return summarize(path, stat.st_size, stat.st_mtime_ns).name


def test_newest_custom_title_overrides_the_generated_title(tmp_path: Path) -> None:
    ai = {"type": "ai-title", "aiTitle": "By Claude"}
    mine = {"type": "custom-title", "customTitle": "Mine"}
    path = tmp_path / "s.jsonl"
    assert titled(path) is None
    assert titled(path, ai) == "By Claude"
    assert titled(path, mine, ai) == "Mine"
    assert titled(path, mine, {**mine, "customTitle": "New"}) == "New"
    assert titled(path, mine, ai, {**mine, "customTitle": ""}) == "By Claude", "taken back"


def test_title_is_a_separate_line_even_after_a_partial_line(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text('{"type": "us')
    titles.set_title(path, "s", "N\u00e4me")
    half, whole = path.read_text().splitlines()
    assert half == '{"type": "us'
    entry = {"type": "custom-title", "customTitle": "N\u00e4me", "sessionId": "s"}
    assert json.loads(whole) == entry
    with pytest.raises(FileNotFoundError):
        titles.set_title(tmp_path / "none.jsonl", "s", "x")


# --- source and search ----------------------------------------------------------------------


def test_a_code_block_holds_any_text() -> None:
    assert to_markdown.fenced("a\n```\nb\n", "sh") == "````sh\na\n```\nb\n````"


def test_whole_answer_is_the_text_between_two_prompts() -> None:
    def prompt(name: str) -> bytes:
        return line(type="user", uuid=name, message={"content": name})

    def words(name: str) -> bytes:
        return assistant(name, {"type": "text", "text": name})

    blocks = fold(prompt("p"), words("a"), prompt("q"), words("b"), words("c"), prompt("r")).blocks
    ids = [block.id for block in blocks]
    assert [to_markdown.answer(blocks, each) for each in ids] == ["a", "a", *["b\n\nc"] * 3, ""]
    assert to_markdown.answer(blocks, "unknown") == ""


def test_search_hits_are_shown_with_their_context() -> None:
    text = "x" * 100 + " The  Plum\ntree " + "y" * 300
    (hit,) = search.find(fold(assistant("a", {"type": "text", "text": text})).blocks, "plum TREE")
    assert (hit.where, hit.match) == ("Claude", "Plum\ntree")
    assert hit.before.startswith("…x")
    assert hit.after.endswith("y…")
    assert list(search.find([hit.block], "   ")) == []
