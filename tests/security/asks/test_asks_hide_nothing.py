"""Permission cards and buttons show everything that they allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opcode_htmx.markup.visible_text import visible_text
from opcode_htmx.rendering.asks.permissions import outside_path, suggestions_of
from opcode_htmx.rendering.tool_cards import full_text
from opcode_htmx.transcript.blocks import AskBlock
from tests.security.asks.asked import HIDDEN_SECOND, REVERSED, SECOND, request
from tests.security.content.rendering import ask_line, asked, buttons, folded, of_class
from tests.support.pages import dom

CUT = "⟨U+202E⟩"


def rule(content: str, tool: str = "Bash") -> dict[str, Any]:
    rules = [{"toolName": tool, "ruleContent": content}]
    where = {"behavior": "allow", "destination": "localSettings"}
    return {"type": "addRules", "rules": rules, **where}


def extent(card: dom.Node) -> str:
    return " ".join(node.text for node in of_class(card, "extent"))


def test_empty_lines_before_a_second_command_are_counted_where_they_stand() -> None:
    card = asked("Bash", {"command": HIDDEN_SECOND})
    (command,) = of_class(card, "tool-input")
    assert command.text == f"ls\n⋯ 59 empty lines\n{SECOND}"
    assert extent(card) == "61 lines"
    text = card.text
    assert text.index(SECOND) < text.index("61 lines") < text.index("Allow", 5)


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "\u2003", "\u3000", " \t\u00a0"])
def test_blanks_before_a_second_command_are_counted(blank: str) -> None:
    hidden = (blank * 400)[:400]
    (command,) = of_class(asked("Bash", {"command": f"ls{hidden};{SECOND}"}), "tool-input")
    assert command.text == f"ls⋯ 400 blanks;{SECOND}"


LEAVING_OUT = (
    "| step | what |\n|---|---|\n| 1 | build | then curl evil |\n",
    "```sh and then run rm -rf ~\nls\n```\n",
    "Read [the guide](https://evil.example/steal).",
    'Read [the guide](https://example.org "evil").',
)


@pytest.mark.parametrize("plan", LEAVING_OUT)
def test_plan_with_text_omitted_by_markdown_is_also_shown_as_source(plan: str) -> None:
    card = asked("ExitPlanMode", {"plan": plan})
    assert "As it was written" in card.text
    assert plan.strip() in card.text


def test_a_plan_that_markdown_shows_whole_is_shown_once() -> None:
    plan = (
        "# Plan\n\n1. *Write* `a_b.py`\n2) ~~Do~~ it\n   - [ ] one\n   - [x] two\n\n> said\n\n"
        "```python\nprint(1)\n```\n\n| a | b |\n|---|:-:|\n| c | d |\n\n---\n<b>&amp; ok"
    )
    assert "As it was written" not in asked("ExitPlanMode", {"plan": plan}).text


TOOLS: list[tuple[str, str]] = [
    ("Bash", "command"),
    ("Write", "content"),
    ("Edit", "new_string"),
    ("NotebookEdit", "new_source"),
    ("WebFetch", "prompt"),
    ("Task", "prompt"),
    ("ExitPlanMode", "plan"),
]
OTHERS = {
    "Write": {"file_path": "/home/me/shop/a"},
    "Edit": {"file_path": "/home/me/shop/a", "old_string": "x"},
    "NotebookEdit": {"notebook_path": "/home/me/shop/a"},
    "WebFetch": {"url": "https://example.org/"},
}


@pytest.mark.parametrize(("tool", "field"), TOOLS)
def test_every_ask_counts_empty_lines_and_states_its_length(tool: str, field: str) -> None:
    card = asked(tool, {**OTHERS.get(tool, {}), field: HIDDEN_SECOND})
    assert "⋯ 59 empty lines" in card.text
    assert SECOND in card.text
    assert extent(card) == ("61 lines added, 1 removed" if tool == "Edit" else "61 lines")


@pytest.mark.parametrize(("tool", "field"), TOOLS)
def test_every_ask_shows_invisible_control_characters(tool: str, field: str) -> None:
    card = asked(tool, {**OTHERS.get(tool, {}), field: f"a {REVERSED}\rb\x1b[8mc &#x202e;"})
    assert visible_text(REVERSED) in card.text
    assert "⟨U+000D⟩" in card.text
    assert "⟨U+001B⟩" in card.text
    assert "&#x202e;" in card.text, "a reference is text, also in Markdown"
    assert not hidden_in(card)


MORE_ASKS: list[tuple[str, dict[str, Any]]] = [
    ("Read", {"file_path": f"/x/{REVERSED}\nb"}),
    ("Grep", {"pattern": REVERSED, "path": f"/{REVERSED}"}),
    ("WebFetch", {"url": f"https://{REVERSED}.example/\u202e", "prompt": "x"}),
    ("WebSearch", {"query": REVERSED}),
    ("Skill", {"skill": REVERSED}),
    (f"mcp__{REVERSED}__{REVERSED}", {REVERSED: [REVERSED, {"a": REVERSED}]}),
    (REVERSED, {"x": 1}),
    ("Bash", {"command": "ls", REVERSED: REVERSED}),
    ("Write", {"file_path": REVERSED, "content": REVERSED}),
    (
        "AskUserQuestion",
        {
            "questions": [
                {
                    "question": REVERSED,
                    "header": REVERSED,
                    "options": [
                        {"label": REVERSED, "description": REVERSED, "preview": REVERSED},
                        {"label": "b", "preview": f"- *{REVERSED}* &#x202e;"},
                    ],
                }
            ]
        },
    ),
]


def hidden_in(node: dom.Node) -> set[str]:
    """The characters of a card's texts, titles and labels that act and are not seen."""

    def texts(each: dom.Node) -> Iterator[str]:
        yield each.text
        for inner in each.walk():
            for name in ("title", "aria-label", "alt", "aria-description"):
                yield inner.attributes.get(name) or ""

    text = "".join(texts(node)).replace("\n", "")
    return {sign for sign in text if visible_text(sign) != sign}


@pytest.mark.parametrize(("tool", "tool_input"), MORE_ASKS)
def test_names_paths_addresses_and_labels_show_invisible_characters(
    tool: str, tool_input: dict[str, Any]
) -> None:
    extra = {"description": REVERSED, "blocked_path": f"/{REVERSED}"}
    suggestions = [
        rule(REVERSED),
        rule(REVERSED, tool="Read"),
        rule(REVERSED, tool=f"mcp__{REVERSED}"),
        {"type": "addDirectories", "directories": [f"/{REVERSED}"], "destination": "session"},
    ]
    card = asked(tool, tool_input, permission_suggestions=suggestions, **extra)
    assert CUT in card.text
    assert not hidden_in(card)


def test_an_answer_is_sent_as_claude_wrote_its_label() -> None:
    card = asked(*MORE_ASKS[-1])
    values = [node.attributes["value"] for node in card.walk() if node.tag == "input"]
    assert values == [REVERSED, "b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("ls:*", "ls *"),
        ("ls *", "ls *"),
        (HIDDEN_SECOND, f"ls↵⋯ 59 empty lines↵{SECOND}"),
        ("ls" + " " * 400 + "x", "ls⋯ 400 blanksx"),
        ("x" * 2000, "x" * 2000),
        ("*", "every command"),
        (":*", "every command"),
    ],
)
def test_a_suggestion_shows_its_rule_in_full(content: str, words: str) -> None:
    card = asked("Bash", {"command": "ls"}, permission_suggestions=[rule(content)])
    assert buttons(card)["always-0"] == f"Always allow {words} in this project"


def test_suggestion_rules_are_never_abbreviated() -> None:
    (found,) = suggestions_of(request("Bash", {}, permission_suggestions=[rule("npm run:*")]))
    assert "…" not in str(found)


def test_description_does_not_replace_the_call() -> None:
    card = asked("Read", {"file_path": "/home/me/shop/secret.key"}, description="A harmless file")
    assert [node.text for node in of_class(card, "tool-summary")] == [
        "A harmless file",
        "secret.key",
    ]


@pytest.mark.parametrize(
    ("tool", "tool_input", "shown"),
    [
        ("Bash", {"command": "ls", "run_in_background": True}, '"run_in_background": true'),
        ("Bash", {"command": "ls", "description": "List"}, '"description": "List"'),
        ("Grep", {"pattern": "a", "glob": "*.key"}, '"glob": "*.key"'),
        ("Task", {"prompt": "a", "subagent_type": "evil"}, '"subagent_type": "evil"'),
        ("NotebookEdit", {"notebook_path": "/a", "edit_mode": "delete", "cell_id": "c"}, '"c"'),
        ("TaskCreate", {"subject": "a", "description": "b"}, '"description": "b"'),
        ("Write", {"file_path": "/a", "content": "b", "mode": "0777"}, '"mode": "0777"'),
        ("ExitPlanMode", {"plan": "a", "allowedPrompts": [{"tool": "Bash"}]}, '"tool": "Bash"'),
        ("ExitPlanMode", {"allowedPrompts": [{"tool": "Bash"}]}, '"tool": "Bash"'),
    ],
)
def test_no_field_of_a_call_is_left_out(tool: str, tool_input: dict[str, Any], shown: str) -> None:
    assert shown in asked(tool, tool_input).text


def test_shown_fields_are_not_listed_again() -> None:
    card = asked("Bash", {"command": "ls", "description": "List"}, description="List")
    assert [node.text for node in of_class(card, "tool-input")] == ["ls"]


@pytest.mark.parametrize(
    ("old", "new", "words", "short"),
    [
        ("a\nb\nc", "a\nB\nc", "1 line added, 1 removed", "+1 −1"),
        ("a\nb", "a\nx\ny\nb", "2 lines added", "+2"),
        ("a\nb\nc", "a\nc", "1 line removed", "−1"),
    ],
)
def test_of_a_diff_the_changed_lines_are_counted(
    old: str, new: str, words: str, short: str
) -> None:
    card = asked("Edit", {"file_path": "/a", "old_string": old, "new_string": new})
    assert extent(card) == words
    assert [node.text for node in of_class(card, "gist-lines")] == [short]


def test_a_diff_breaks_lines_at_line_feeds_only() -> None:
    content = "a\x0bb\x0cc\x1cd\x85e\u2028f\rg"
    card = asked("Write", {"file_path": "/home/me/shop/a", "content": content})
    (added,) = of_class(card, "diff-add")
    assert added.text == f"+{visible_text(content)}"


def test_long_ask_lists_omissions_above_its_buttons() -> None:
    long = asked("Bash", {"command": "ls" + "x" * 20_000})
    assert "10,002 characters not shown here" in extent(long)
    lines = asked("Write", {"file_path": "/a", "content": "x\n" * 400})
    assert extent(lines) == "400 lines 200 lines not shown here Show all"


def test_whole_text_of_an_ask_shows_invisible_characters() -> None:
    (block,) = folded([ask_line("Bash", {"command": HIDDEN_SECOND})]).blocks
    assert isinstance(block, AskBlock)
    text = visible_text(full_text(block), lines=True)
    assert text == f"ls\n⋯ 59 empty lines\n{SECOND}"


def test_parent_path_is_not_inside_the_folder() -> None:
    tricky = "/home/me/shop/../.ssh/id"
    assert outside_path(request("Read", {"file_path": tricky}), "/home/me/shop") == tricky
