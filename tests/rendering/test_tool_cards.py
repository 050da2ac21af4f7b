"""A tool's card: title, summary, input, changes; and the questions of a card."""

from __future__ import annotations

from typing import Any

import pytest

from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.lib.coerce import Json
from opcode_htmx.markup import diff
from opcode_htmx.rendering import tool_cards
from opcode_htmx.rendering.cards.parts import ColouredText
from opcode_htmx.rendering.questions import Option, Question, questions_of
from opcode_htmx.rendering.tool_cards import CutText, ToolView
from opcode_htmx.transcript.blocks import AskBlock, ToolBlock, ToolState

PROJECT = "/home/me/shop"


def view(name: str, details: object = None, **tool_input: Any) -> ToolView:
    return tool_cards.present(name, tool_input, details, PROJECT)


ODD_VALUES: list[Any] = [None, 7, [], {}, [[7]], {"a": {}}, "text", [{"question": 7}], float("nan")]


def done(name: str, details: object = None, output: str = "", **tool_input: Any) -> ToolView:
    block = ToolBlock(id="t", order="1", created=1, revision=1, name=name, input=tool_input)
    block.state, block.output, block.details = ToolState.DONE, output, details
    return tool_cards.present_block(block, PROJECT)


def failed(name: str, output: str, **tool_input: Any) -> ToolView:
    block = ToolBlock(id="t", order="1", created=1, revision=1, name=name, input=tool_input)
    block.state, block.output, block.details = ToolState.ERROR, output, f"Error: {output}"
    return tool_cards.present_block(block, PROJECT)


def text_of(shown: ColouredText | None) -> str:
    return "".join(text for _, text in shown.spans) if shown else ""


@pytest.mark.parametrize(
    ("name", "tool_input", "title", "summary"),
    [
        ("Bash", {"command": "make test", "description": "Test"}, "Bash", "make test"),
        ("Bash", {"command": "one\ntwo"}, "Bash", "one …"),
        ("Bash", {"command": "  \n", "description": "Test"}, "Bash", "Test"),
        ("Read", {"file_path": "/home/me/shop/src/a.py"}, "Read", "src/a.py"),
        ("Read", {"file_path": "/home/me/shopping/a.py"}, "Read", "/home/me/shopping/a.py"),
        ("Grep", {"pattern": "TODO", "path": "/home/me/shop"}, "Grep", '"TODO"'),
        ("Grep", {"pattern": "a", "path": "/home/me/shop/b"}, "Grep", '"a" in b'),
        ("Glob", {"pattern": "**/*.py"}, "Glob", "**/*.py"),
        ("WebFetch", {"url": "https://a.b/c", "prompt": "What?"}, "WebFetch", "a.b"),
        ("WebSearch", {"query": "rain"}, "WebSearch", '"rain"'),
        ("Task", {"description": "Look", "prompt": "at it"}, "Task", "Look"),
        ("Agent", {"prompt": "at it"}, "Task", "at it"),
        ("mcp__files__list_all", {}, "files: list_all", ""),
        ("mcp__a__b", {"limit": 3, "which": "these"}, "a: b", "these"),
        ("Next", {"command": ["of", "next", "year"]}, "Next", ""),
        ("TaskCreate", {"subject": "Dig"}, "New task", "Dig"),
        ("TaskUpdate", {"taskId": "1", "status": "in_progress"}, "Task", "#1 in progress"),
    ],
)
def test_card_summarises_a_tool_in_one_line(
    name: str, tool_input: Json, title: str, summary: str
) -> None:
    shown = view(name, **tool_input)
    assert (shown.title, shown.summary) == (title, summary)


def test_every_card_tolerates_malformed_data() -> None:
    for name in [*tool_cards._CARDS, "mcp__", "mcp__a", ""]:
        for value in ODD_VALUES:
            keys = "command file_path pattern query url prompt questions plan todos edits content"
            tool_input = dict.fromkeys([*keys.split(), "offset", "limit", "subject"], value)
            names = "file structuredPatch results filenames numFiles answers code mode stdout"
            for details in (value, dict.fromkeys(names.split(), value), {"file": {"cells": value}}):
                assert done(name, details, "out", **tool_input).title is not None
                assert failed(name, "out", **tool_input).title is not None


def test_command_is_shown_verbatim_and_other_input_as_json() -> None:
    assert view("Bash", command="a <b>\nc").command == CutText("a <b>\nc", 0, lines=2)
    assert view("Next", pattern="ä").command == CutText('{\n  "pattern": "ä"\n}', 0, lines=3)
    assert view("Read", file_path="/a").command is None
    assert view("Next").command is None


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    assert tool_cards.cut("x" * tool_cards.SHOWN_CHARACTERS).left_out == 0
    assert tool_cards.cut("x" * (tool_cards.SHOWN_CHARACTERS + 7)) == CutText(
        "x" * tool_cards.SHOWN_CHARACTERS, 7
    )


# --- commands -------------------------------------------------------------------------------


def test_a_command_that_failed_says_its_exit_status_once() -> None:
    shown = failed("Bash", "Exit code 3\n\x1b[31mred\x1b[0m\nerr", command="make")
    assert shown.outcome == "exit 3"
    assert shown.shown is not None
    assert shown.shown.spans == (("a1", "red"), ("", "\nerr"))


def test_command_shows_stdout_and_stderr() -> None:
    streams = {"stdout": "out\n", "stderr": "err"}
    assert text_of(done("Bash", streams, "out\nerr", command="make").shown) == "out\nerr"
    assert text_of(done("Bash", None, "out", command="make").shown) == "out"


def test_command_without_output_says_so() -> None:
    shown = done("Bash", {"stdout": ""}, "(Bash completed with no output)", command="true")
    assert (shown.note, shown.shown, shown.outcome) == ("It printed nothing.", None, "")


def test_background_command_card_says_so_and_omits_model_notes() -> None:
    details = {"stdout": "", "backgroundTaskId": "b1"}
    shown = done("Bash", details, "Command running in background with ID: b1.", command="serve")
    assert (shown.outcome, shown.shown) == ("in the background", None)


def test_cli_wrapper_around_a_result_is_removed() -> None:
    assert text_of(failed("Next", "<tool_use_error>No.</tool_use_error>").shown) == "No."
    noted = "a\n\n<system-reminder>\nBe brief.\n</system-reminder>\n"
    assert text_of(done("Next", None, noted).shown) == "a"


def test_whole_command_output_is_available_when_truncated_for_the_model() -> None:
    block = ToolBlock(id="t", order="1", created=1, revision=1, name="Bash")
    block.output, block.details = "<persisted-output>\nToo large", {"stdout": "all of it"}
    assert tool_cards.full_text(block) == "all of it"


def test_truncated_call_on_a_card_links_to_the_whole() -> None:
    block = ToolBlock(id="t", order="1", created=1, revision=1, name="Write")
    block.input, block.output = {"content": "a\n" * 300}, "Written."
    assert tool_cards.full_text(block) == "\n".join(["+a"] * 300)
    block.name, block.input = "Bash", {"command": "x" * 20_000}
    assert tool_cards.full_text(block) == "x" * 20_000 + "\n\nWritten."
    block.input = {"command": "short"}
    assert tool_cards.full_text(block) == "Written."


def test_truncated_request_links_to_the_whole() -> None:
    def asks(name: str, **tool_input: Any) -> str:
        request = PermissionRequest("r", name, tool_input, "t", "", "", ())
        return tool_cards.full_text(
            AskBlock(id="r", order="1", created=1, revision=1, request=request, run_id="")
        )

    assert asks("Bash", command="make") == "make"
    assert asks("Edit", old_string="a", new_string="b") == "-a\n+b"
    assert asks("Next", a=1) == '{\n  "a": 1\n}'


def test_dangerous_options_of_a_call_are_shown() -> None:
    assert view("Bash", command="x", dangerouslyDisableSandbox=True).note
    assert view("Edit", old_string="a", new_string="b", replace_all=True).note
    assert view("NotebookEdit", notebook_path="/a", edit_mode="delete").command is not None
    assert "javascript:" in str(view("WebFetch", url="javascript:a", prompt="b").command)


# --- files ----------------------------------------------------------------------------------


def test_a_file_that_was_read_shows_its_lines_without_the_numbers_of_the_cli() -> None:
    file = {"content": "a\nb", "startLine": 120, "numLines": 2, "totalLines": 300}
    for details, output in (({"file": file}, "120\ta\n121\tb"), (None, "   120→a\n   121→b")):
        shown = done("Read", details, output, file_path=f"{PROJECT}/a.txt")
        assert (shown.summary, shown.place) == ("a.txt", "120–121")
        assert text_of(shown.shown) == "a\nb"
        assert shown.shown is not None and shown.shown.numbers == "120\n121"


def test_a_file_that_was_read_whole_says_how_long_it_is() -> None:
    file = {"content": "a", "startLine": 1, "numLines": 1, "totalLines": 1}
    assert done("Read", {"file": file}, "1\ta", file_path="/a").outcome == "1 line"


def test_file_content_is_highlighted_by_file_name() -> None:
    file = {"content": "import a", "startLine": 1}
    shown = done("Read", {"file": file}, "", file_path="/a.py").shown
    assert shown is not None and shown.spans[0] == ("k", "import")


def test_failed_read_shows_its_error() -> None:
    shown = failed("Read", "File does not exist.", file_path="/a", offset=5, limit=2)
    assert (shown.place, text_of(shown.shown)) == ("5–6", "File does not exist.")


def test_a_notebook_shows_its_cells() -> None:
    printed = [{"output_type": "stream", "text": "1\n"}, {"output_type": "x"}, 7]
    code = {"cellType": "code", "source": "x = 1", "execution_count": 3, "outputs": printed}
    cells = [code, {"cellType": "markdown", "source": "# y"}, 5]
    shown = done("Read", {"type": "notebook", "file": {"cells": cells}}, "<cell>", file_path="/a")
    assert text_of(shown.shown) == "In [3]:\nx = 1\nOut [3]:\n1\n\n# y\n\n"
    assert shown.outcome == "2 cells"


@pytest.mark.parametrize(
    ("details", "outcome"),
    [
        ({"mode": "files_with_matches", "numFiles": 9, "filenames": ["a"]}, "9 files"),
        ({"numFiles": 1, "filenames": ["a"]}, "1 file"),
        ({"mode": "content", "numLines": 3, "content": "a"}, "3 lines"),
        ({"mode": "count", "numMatches": 2, "numFiles": 1}, "2 matches"),
        ({"numFiles": 100, "totalMatches": 1204, "truncated": True}, "100 of 1,204 files"),
        (None, ""),
    ],
)
def test_a_search_says_how_much_it_found(details: Json | None, outcome: str) -> None:
    assert done("Grep", details, "a", pattern="x").outcome == outcome


def test_search_results_are_relative_to_the_project() -> None:
    details = {"numFiles": 2, "filenames": [f"{PROJECT}/a/b", "/c"]}
    assert text_of(done("Glob", details, "Found", pattern="*").shown) == "a/b\n/c"


def test_an_edit_shows_the_lines_that_change_and_counts_them() -> None:
    shown = view("Edit", file_path=f"{PROJECT}/a", old_string="a\nb\nc", new_string="a\nB\nb2\nc")
    assert (shown.summary, shown.added, shown.removed) == ("a", 2, 1)
    assert [(line.kind, line.text, line.old, line.new) for line in shown.changes] == [
        ("ctx", " a", None, None),
        ("del", "-b", None, None),
        ("add", "+B", None, None),
        ("add", "+b2", None, None),
        ("ctx", " c", None, None),
    ]
    assert shown.command is None


def test_applied_patch_overrides_the_requested_edit() -> None:
    patch = [{"oldStart": 7, "oldLines": 1, "newStart": 7, "newLines": 1, "lines": ["-x", "+y"]}]
    shown = view("Edit", {"structuredPatch": patch}, old_string="a", new_string="b")
    assert [(line.text, line.old, line.new) for line in shown.changes] == [
        ("-x", 7, None),
        ("+y", None, 7),
    ]


@pytest.mark.parametrize(
    ("name", "tool_input"),
    [
        ("Write", {"content": "a\nb"}),
        ("NotebookEdit", {"new_source": "a\nb"}),
        ("MultiEdit", {"edits": [{"old_string": "", "new_string": "a\nb"}, "nonsense"]}),
    ],
)
def test_writing_tools_show_the_written_text(name: str, tool_input: Json) -> None:
    assert diff.count(view(name, **tool_input).changes) == (2, 0)


def test_a_changed_cell_of_a_notebook_shows_the_difference() -> None:
    details = {"old_source": "x\ny", "new_source": "x\nz"}
    shown = done("NotebookEdit", details, notebook_path="/a", new_source="x\nz")
    assert (shown.added, shown.removed) == (1, 1)


def test_failed_edit_shows_its_error() -> None:
    shown = failed("Edit", "It has changed.", file_path="/a", old_string="a", new_string="b")
    assert text_of(shown.shown) == "It has changed."


# --- agents, the web, lists, questions, plans -----------------------------------------------


def test_an_agent_that_is_done_shows_its_report_and_how_much_it_did() -> None:
    report = "It *rains*.\nagentId: a64 (for resuming)\n<usage>total_tokens: 7</usage>"
    shown = done("Task", {"totalToolUseCount": 12}, report, description="Look", prompt="at it")
    assert (shown.said, shown.outcome) == ("It *rains*.", "12 tool calls")
    assert shown.command == CutText("at it", 0)


def test_wrapper_around_an_agent_report_is_removed() -> None:
    """It is a note to the model that this is no prompt; the CLI indents the report inside it."""
    frame = "[Subagent hand-back] The text below is no prompt. The report follows:\n"
    report = f"{frame}  # Found\n\n  - one\n    - two\nagentId: a64\n<usage>tool_uses: 1</usage>"
    assert done("Task", None, report, description="Look").said == "# Found\n\n- one\n  - two"
    details = {"content": [{"type": "text", "text": "Found."}]}
    assert done("Task", details, report, description="Look").said == "Found."
    note = "  <tools-used-before-summary>Bash</tools-used-before-summary>\n  \n"
    assert done("Task", None, note + report, description="Look").said.startswith("# Found")
    details = {"content": [{"type": "text", "text": f"{note}Found."}]}
    assert done("Task", details, report, description="Look").said == "Found."


def test_background_agent_card_omits_model_notes() -> None:
    details = {"status": "async_launched"}
    shown = done("Task", details, "Async agent launched. Never quote this.", description="Look")
    assert (shown.outcome, shown.said, shown.shown) == ("in the background", "", None)


def test_failed_fetch_shows_its_http_status() -> None:
    assert done("WebFetch", {"code": 404}, "Gone", url="https://a.b/").outcome == "status 404"
    assert done("WebFetch", {"code": 200}, "Here", url="https://a.b/").outcome == ""


def test_a_list_of_tasks_is_one_quiet_line_unless_it_failed() -> None:
    todos = [{"content": "A", "status": "completed"}, {"content": "B", "status": "pending"}]
    shown = done("TodoWrite", None, "Modified", todos=todos)
    assert (shown.summary, shown.quiet) == ("1 of 2 done", True)
    assert not failed("TodoWrite", "Disabled.", todos=todos).quiet


def test_a_question_of_the_past_shows_its_answer() -> None:
    asked = [{"question": "Which?"}]
    shown = done("AskUserQuestion", {"answers": {"Which?": "B"}}, "Answered", questions=asked)
    assert (shown.summary, shown.outcome, shown.answers) == ("Which?", "B", (("Which?", "B"),))


def test_a_plan_is_shown_as_a_plan() -> None:
    assert view("ExitPlanMode", plan="# Do it").plan == "# Do it"
    assert view("ExitPlanMode", plan="# Do it").command is None
    assert view("ExitPlanMode", plan={"of": "next year"}).plan == ""
    assert done("ExitPlanMode", {"plan": "# Done"}, "Approved").plan == "# Done"


def test_json_that_an_unknown_tool_gives_back_is_laid_out_to_be_read() -> None:
    assert text_of(done("mcp__a__b", None, '{"a":[1]}').shown) == '{\n  "a": [\n    1\n  ]\n}'
    assert text_of(done("mcp__a__b", None, "{no json").shown) == "{no json"


# --- diffs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "patch",
    [None, 7, "text", [7], [{}], [{"lines": 7}], [{"lines": [7]}], [{"oldStart": [], "lines": []}]],
)
def test_malformed_patch_is_tolerated(patch: object) -> None:
    assert diff.from_patch(patch) == []


def test_a_line_of_a_diff_is_named_by_its_first_sign_and_numbered() -> None:
    no_end = "\\ No newline at end of file"
    hunks = [
        {"oldStart": 3, "newStart": 3, "lines": ["+a", "-b", " c", no_end]},
        {"oldStart": 9, "newStart": 9, "lines": ["", " d"]},
    ]
    assert [(each.kind, each.old, each.new) for each in diff.from_patch(hunks)] == [
        ("add", None, 3),
        ("del", 3, None),
        ("ctx", 4, 4),
        ("ctx", None, None),
        ("gap", None, None),
        ("ctx", 9, 9),
        ("ctx", 10, 10),
    ]
    assert diff.number_width(diff.from_patch(hunks)) == 2
    assert diff.number_width(diff.between("a", "b")) == 0


def marks(old: str, new: str) -> list[list[str]]:
    return [[text for style, text in each.marks if style] for each in diff.between(old, new)]


def test_the_words_that_changed_in_a_line_are_marked() -> None:
    assert marks("return x + 5", "return x - 5") == [["+"], ["-"]]
    assert marks("a = one(two)\nb = 1", "a = one(three)\nb = 2") == [
        ["two"],
        ["1"],
        ["three"],
        ["2"],
    ]
    assert marks("call(a)", "call(a, b)") == [[], [", b"]]


def test_lines_with_little_in_common_are_marked_as_a_whole() -> None:
    assert marks("return x", "while until_it_rains:") == [[], []]
    assert marks("x" * 500 + " a", "x" * 500 + " b") == [[], []]


def test_marks_do_not_change_the_text() -> None:
    for each in diff.between("a = 1\nb = 2\n c", "a = 3\nb  = 2\n\tc"):
        assert not each.marks or "".join(text for _, text in each.marks) == each.text[1:]


# --- questions ------------------------------------------------------------------------------


def request(questions: object, name: str = "AskUserQuestion") -> PermissionRequest:
    return PermissionRequest("r", name, {"questions": questions}, "t", "", "", ())


ASKED = [
    {
        "question": "Which?",
        "header": "Fruit",
        "multiSelect": True,
        "options": [{"label": "A", "description": "first"}, {"label": "B", "preview": "# b"}],
    }
]


def test_a_question_has_its_options_and_its_answer() -> None:
    options = (Option("A", "first", ""), Option("B", "", "# b"))
    question = Question("Which?", "Fruit", True, options, "", "")
    assert questions_of(request(ASKED), {}) == (question,)
    response = {"behavior": "allow", "updatedInput": {"answers": {"Which?": "B"}}}
    assert questions_of(request(ASKED), response)[0].answer == "B"
    response = {"updatedInput": {"answers": {"Which?": ["A", "B", 7]}}}
    assert questions_of(request(ASKED), response)[0].answer == "A, B"
    response = {"updatedInput": {"annotations": {"Which?": {"notes": "ripe"}}}}
    assert questions_of(request(ASKED), response)[0].note == "ripe"


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
