"""What a tool's card says: title, summary, input, changes; and the questions of a card."""

from __future__ import annotations

from typing import Any

import pytest

from opcode_htmx.claude.messages import Json, PermissionRequest
from opcode_htmx.view import diff, tools
from opcode_htmx.view.diff import DiffLine
from opcode_htmx.view.questions import Option, Question, questions_of
from opcode_htmx.view.tools import Cut, ToolView

PROJECT = "/home/me/shop"


def view(name: str, details: object = None, **tool_input: Any) -> ToolView:
    return tools.present(name, tool_input, details, PROJECT)


@pytest.mark.parametrize(
    ("name", "tool_input", "title", "summary"),
    [
        ("Bash", {"command": "make test", "description": "Test"}, "Bash", "make test"),
        ("Bash", {"command": "one\ntwo"}, "Bash", "one …"),
        ("Bash", {"command": "  \n", "description": "Test"}, "Bash", "Test"),
        ("Read", {"file_path": "/home/me/shop/src/a.py"}, "Read", "src/a.py"),
        ("Read", {"file_path": "/home/me/shopping/a.py"}, "Read", "/home/me/shopping/a.py"),
        ("Grep", {"pattern": "TODO", "path": "/home/me/shop"}, "Grep", "TODO"),
        ("WebFetch", {"url": "https://a.b/", "prompt": "What?"}, "WebFetch", "https://a.b/"),
        ("Task", {"description": "Look", "prompt": "at it"}, "Task", "Look"),
        ("mcp__files__list_all", {}, "files: list_all", ""),
        ("Next", {"command": ["of", "next", "year"]}, "Next", ""),
    ],
)
def test_a_card_says_in_one_line_what_a_tool_does(
    name: str, tool_input: Json, title: str, summary: str
) -> None:
    shown = view(name, **tool_input)
    assert (shown.title, shown.summary) == (title, summary)


def test_a_command_is_shown_as_it_stands_and_other_input_as_json() -> None:
    assert view("Bash", command="a <b>\nc").command == Cut("a <b>\nc", 0)
    assert view("Grep", pattern="ä").command == Cut('{\n  "pattern": "ä"\n}', 0)
    assert view("Read", file_path="/a").command is None
    assert view("Next").command is None


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    assert tools.cut("x" * tools.SHOWN_CHARACTERS).left_out == 0
    assert tools.cut("x" * (tools.SHOWN_CHARACTERS + 7)) == Cut("x" * tools.SHOWN_CHARACTERS, 7)


def test_a_plan_is_shown_as_a_plan() -> None:
    assert view("ExitPlanMode", plan="# Do it").plan == "# Do it"
    assert view("ExitPlanMode", plan="# Do it").command is None
    assert view("ExitPlanMode", plan={"of": "next year"}).plan == ""


def test_an_edit_shows_the_lines_that_change_and_counts_them() -> None:
    shown = view("Edit", file_path=f"{PROJECT}/a", old_string="a\nb\nc", new_string="a\nB\nb2\nc")
    assert shown.summary == "a +2 −1"
    assert [(line.kind, line.text) for line in shown.changes] == [
        ("hunk", "@@ -1,3 +1,4 @@"),
        ("ctx", " a"),
        ("del", "-b"),
        ("add", "+B"),
        ("add", "+b2"),
        ("ctx", " c"),
    ]
    assert shown.command is None


def test_what_an_edit_did_wins_over_what_it_was_to_do() -> None:
    patch = [{"oldStart": 7, "oldLines": 1, "newStart": 7, "newLines": 1, "lines": ["-x", "+y"]}]
    shown = view("Edit", {"structuredPatch": patch}, old_string="x", new_string="y")
    assert [line.text for line in shown.changes] == ["@@ -7,1 +7,1 @@", "-x", "+y"]


@pytest.mark.parametrize(
    ("name", "tool_input"),
    [
        ("Write", {"content": "a\nb"}),
        ("NotebookEdit", {"new_source": "a\nb"}),
        ("MultiEdit", {"edits": [{"old_string": "", "new_string": "a\nb"}, "nonsense"]}),
    ],
)
def test_other_tools_that_write_show_what_they_write(name: str, tool_input: Json) -> None:
    assert diff.count(view(name, **tool_input).changes) == (2, 0)


@pytest.mark.parametrize(
    "patch",
    [
        None,
        7,
        "text",
        [7],
        [{}],
        [{"lines": 7}],
        [{"lines": [7]}],
        [{"oldStart": [[]], "lines": []}],
    ],
)
def test_a_patch_in_an_unknown_shape_does_no_harm(patch: object) -> None:
    assert all(line.kind == "hunk" for line in diff.from_patch(patch))


def test_a_line_of_a_diff_is_named_by_its_first_sign() -> None:
    patch = [{"lines": ["+a", "-b", " c", "\\ No newline at end of file", ""]}]
    assert [line.kind for line in diff.from_patch(patch)][1:] == ["add", "del", "ctx", "ctx", "ctx"]
    assert diff.from_patch(patch)[1] == DiffLine("add", "+a")


# --- questions ------------------------------------------------------------------------------


def request(questions: object, name: str = "AskUserQuestion") -> PermissionRequest:
    return PermissionRequest("r", name, {"questions": questions}, "t", "", "", ())


ASKED = [
    {
        "question": "Which?",
        "multiSelect": True,
        "options": [{"label": "A", "description": "first"}, {"label": "B"}],
    }
]


def test_a_question_has_its_options_and_its_answer() -> None:
    options = (Option("A", "first"), Option("B", ""))
    assert questions_of(request(ASKED), {}) == (Question("Which?", True, options, ""),)
    response = {"behavior": "allow", "updatedInput": {"answers": {"Which?": "B"}}}
    assert questions_of(request(ASKED), response)[0].answer == "B"
    response = {"updatedInput": {"answers": {"Which?": ["A", "B", 7]}}}
    assert questions_of(request(ASKED), response)[0].answer == "A, B"


def test_a_permission_asks_no_question() -> None:
    assert questions_of(request(ASKED, "Bash"), {}) == ()


@pytest.mark.parametrize(
    "questions",
    [
        None,
        7,
        "text",
        {},
        [7, "text", None],
        [{}],
        [{"question": {}, "options": 7}],
        [{"options": [7]}],
    ],
)
@pytest.mark.parametrize(
    "response", [{}, {"updatedInput": 7}, {"updatedInput": {}}, {"updatedInput": {"answers": 7}}]
)
def test_questions_in_an_unknown_shape_are_left_out(questions: object, response: Json) -> None:
    shown = questions_of(request(questions), response)
    assert all((each.text, each.options, each.answer) == ("", (), "") for each in shown)
