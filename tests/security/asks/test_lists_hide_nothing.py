"""Lists and first lines show of a request that there is more, and answer only what is brief."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

from opcode_htmx.rendering import activity_text
from opcode_htmx.rendering.asks.brief import MOST_BRIEF, BriefRequest, brief_request
from opcode_htmx.rendering.tool_cards import present
from opcode_htmx.sessions.status_panel import status_text
from opcode_htmx.transcript.blocks import ToolBlock
from tests.security.asks.asked import HIDDEN_SECOND, REVERSED, SECOND, request
from tests.security.content.rendering import asked, folded, line, of_class, page_of

# --- first lines ----------------------------------------------------------------------------

LONG_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("Bash", {"command": HIDDEN_SECOND}),
    ("Grep", {"pattern": "a\nb"}),
    ("WebSearch", {"query": "a\nb"}),
    ("Task", {"description": "a\nb"}),
    ("Read", {"file_path": "/x/a\nb"}),
    ("WebFetch", {"url": "a\nb"}),
    ("Skill", {"skill": "a\nb"}),
]


@pytest.mark.parametrize(("tool", "tool_input"), LONG_CALLS)
def test_truncated_call_is_marked_in_the_status(tool: str, tool_input: dict[str, Any]) -> None:
    assert activity_text.call_text(tool, tool_input).endswith("…")


@pytest.mark.parametrize("field", ["command", "file_path", "notebook_path"])
def test_truncated_call_is_marked_in_the_attention_list(field: str) -> None:
    assert activity_text.request_text(request("Bash", {field: HIDDEN_SECOND})).endswith("…")


@pytest.mark.parametrize(
    ("tool", "tool_input"),
    [
        *LONG_CALLS[:1],
        ("ExitPlanMode", {"plan": "# a\nb"}),
        ("AskUserQuestion", {"questions": [{"question": "a\nb"}]}),
        ("mcp__a__b", {"query": "a\nb"}),
        ("mcp__a\nb__c", {"x": 1}),
    ],
)
def test_truncated_call_is_marked_on_a_card(tool: str, tool_input: dict[str, Any]) -> None:
    view = present(tool, tool_input, None, "")
    assert "…" in f"{view.title} {view.summary}"


def test_truncated_call_is_marked_at_the_terminal() -> None:
    text = f"<bash-input>{HIDDEN_SECOND}</bash-input>"
    shell = line(type="user", uuid="u", message={"role": "user", "content": text})
    (summary,) = of_class(page_of(folded([shell])), "tool-summary")
    assert summary.text == "$ ls …"


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "https://a]b/"])
def test_an_address_that_is_none_does_not_take_the_status_line(url: str) -> None:
    assert url in activity_text.call_text("WebFetch", {"url": url})
    tool = ToolBlock(id="t", order="1", created=1, revision=1, name="WebFetch", input={"url": url})
    assert status_text(None, tool)


def test_an_entity_is_text() -> None:
    (command,) = of_class(asked("Bash", {"command": "echo &#x202e;&lt;"}), "tool-input")
    assert unescape(command.text) != command.text


# --- requests that are answered in a list ---------------------------------------------------

SHOP = "/home/me/shop"


@pytest.mark.parametrize(
    ("tool", "tool_input", "fields", "shown"),
    [
        ("Bash", {"command": "npm test"}, {}, ("npm test", "")),
        ("Bash", {"command": "x" * MOST_BRIEF}, {}, ("x" * MOST_BRIEF, "")),
        (
            "Bash",
            {"command": "npm test", "description": "Run it", "run_in_background": False},
            {"description": "Run it"},
            ("npm test", "Run it"),
        ),
        ("Bash", {"command": "npm test"}, {"description": "npm te…"}, ("npm test", "")),
        ("Bash", {"command": "cat a"}, {"blocked_path": f"{SHOP}/a"}, ("cat a", "")),
        ("WebSearch", {"query": "plum trees"}, {}, ("plum trees", "")),
    ],
)
def test_a_request_of_one_plain_line_is_brief(
    tool: str, tool_input: dict[str, Any], fields: dict[str, Any], shown: tuple[str, str]
) -> None:
    found = brief_request(request(tool, tool_input, **fields), SHOP)
    assert found == BriefRequest("r", tool, *shown)


@pytest.mark.parametrize(
    ("tool", "tool_input", "fields"),
    [
        ("Bash", {"command": "x" * (MOST_BRIEF + 1)}, {}),
        ("Bash", {"command": f"ls\n{SECOND}"}, {}),
        ("Bash", {"command": f"ls\r{SECOND}"}, {}),
        ("Bash", {"command": f"ls{' ' * 21}; {SECOND}"}, {}),
        ("Bash", {"command": REVERSED}, {}),
        ("Bash", {"command": "cat \u0430.txt"}, {}),  # a Cyrillic letter
        ("Bash", {"command": "  "}, {}),
        ("Bash", {"command": ["ls"]}, {}),
        ("Bash", {}, {}),
        ("Bash", {"command": "ls", "timeout": 600_000}, {}),
        ("Bash", {"command": "ls", "description": "List"}, {"description": "Look"}),
        ("Bash", {"command": "ls", "dangerouslyDisableSandbox": True}, {}),
        ("Bash", {"command": "cat a"}, {"blocked_path": "/etc/a"}),
        ("Bash", {"command": "ls"}, {"description": "x" * (MOST_BRIEF + 1)}),
        ("WebSearch", {"query": "plums", "allowed_domains": ["evil.example"]}, {}),
        ("Write", {"file_path": f"{SHOP}/a", "content": "x"}, {}),
        ("Read", {"file_path": f"{SHOP}/a"}, {}),
        ("AskUserQuestion", {"questions": []}, {}),
        ("ExitPlanMode", {"plan": "x"}, {}),
        ("mcp__a__b", {"command": "ls"}, {}),
    ],
)
def test_a_request_that_is_more_than_one_plain_line_is_not_brief(
    tool: str, tool_input: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert brief_request(request(tool, tool_input, **fields), SHOP) is None
