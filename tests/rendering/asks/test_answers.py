"""Cards of agents, the web, lists and plans, and the questions of a card."""

from __future__ import annotations

import pytest

from opcode_htmx.lib.coerce import Json
from opcode_htmx.rendering.asks.questions import Option, Question, questions_of
from opcode_htmx.rendering.tool_cards import CutText
from tests.rendering.cards.cards import done, failed, request, text_of, view

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


def test_a_question_without_an_answer_shows_its_choices() -> None:
    shown = done("AskUserQuestion", None, "Declined", questions=ASKED)
    assert shown.answers == (("Which?", "No answer\n• A: first\n• B"),)


def test_a_plan_is_shown_as_a_plan() -> None:
    assert view("ExitPlanMode", plan="# Do it").plan == "# Do it"
    assert view("ExitPlanMode", plan="# Do it").command is None
    assert view("ExitPlanMode", plan={"of": "next year"}).plan == ""
    assert done("ExitPlanMode", {"plan": "# Done"}, "Approved").plan == "# Done"


def test_json_that_an_unknown_tool_gives_back_is_laid_out_to_be_read() -> None:
    assert text_of(done("mcp__a__b", None, '{"a":[1]}').shown) == '{\n  "a": [\n    1\n  ]\n}'
    assert text_of(done("mcp__a__b", None, "{no json").shown) == "{no json"


# --- questions ------------------------------------------------------------------------------

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


ODD_QUESTIONS: list[object] = [
    None,
    7,
    "text",
    {},
    [7, "text", None],
    [{}],
    [{"question": {}, "options": 7}],
    [{"options": [7]}],
]


@pytest.mark.parametrize(
    "response", [{}, {"updatedInput": 7}, {"updatedInput": {}}, {"updatedInput": {"answers": 7}}]
)
def test_questions_in_an_unknown_shape_are_left_out(response: Json) -> None:
    for questions in ODD_QUESTIONS:
        shown = questions_of(request(questions), response)
        assert all((each.text, each.options, each.answer) == ("", (), "") for each in shown)
