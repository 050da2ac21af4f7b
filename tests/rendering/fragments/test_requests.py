"""Cards of requests: permissions, plans and questions, open and closed."""

from __future__ import annotations

from typing import Any

import pytest

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.rendering.tool_cards import full_text
from opcode_htmx.transcript.blocks import AskBlock
from tests.rendering.fragments.pages import RUN_ID, ask_line, labels, rendered
from tests.support.cli.captured import QUESTION, fold, line
from tests.support.pages import dom


def test_an_open_request_has_its_buttons_and_a_closed_one_its_verdict() -> None:
    page = rendered(ask_line())
    assert labels(page) == ["Allow", "Deny", "Deny and tell Claude"]
    assert {n.attributes["hx-post"] for n in page.walk() if n.tag == "button"} == {
        f"/runs/{RUN_ID}/asks/r"
    }
    for answer, verdict in (
        (encoder.allow_line("r", {}), "Allowed"),
        (encoder.deny_line("r", "no"), "Denied"),
        (line(type="control_cancel_request", request_id="r"), "No longer asked"),
    ):
        page = rendered(ask_line(), answer)
        assert labels(page) == []
        assert verdict in page.text
    assert labels(rendered(ask_line(), close=True)) == []


def test_plan_approval_has_its_own_wording() -> None:
    page = rendered(ask_line(tool_name="ExitPlanMode", input={"plan": "# The plan"}))
    assert labels(page) == ["Approve, ask before edits", "Approve, accept edits", "Keep planning"]
    assert [node.text for node in page.walk() if node.tag == "h1"] == ["The plan"]


def test_a_question_has_a_choice_for_each_option_and_one_in_own_words() -> None:
    asked = ask_line(tool_name="AskUserQuestion", input={"questions": [QUESTION]})
    page = rendered(asked)
    inputs = [node.attributes for node in page.walk() if node.tag in ("input", "textarea")]
    assert [(i.get("type"), i["name"], i.get("value")) for i in inputs] == [
        ("radio", "q-r-0", "A"),
        ("radio", "q-r-0", "B"),
        (None, "q-r-0-text", None),
        (None, "q-r-0-note", None),
    ]
    assert {i["form"] for i in inputs} == {"answer"}
    assert labels(page) == ["Answer", "Do not answer"]


@pytest.mark.parametrize(
    ("updated", "verdict"),
    [
        ({"answers": {QUESTION["question"]: "B"}}, "B"),
        ({"answers": {QUESTION["question"]: ["A", "B"]}}, "A, B"),
        ({}, "No answer"),
        ({"answers": 7}, "No answer"),
    ],
)
def test_an_answered_question_shows_the_answer(updated: dict[str, Any], verdict: str) -> None:
    """Also one that was answered by another program than this one."""
    asked = ask_line(tool_name="AskUserQuestion", input={"questions": [QUESTION]})
    page = rendered(asked, encoder.allow_line("r", updated))
    assert [n.text for n in page.walk() if n.attributes.get("class") == "verdict"] == [verdict]
    assert not [node for node in page.walk() if node.tag == "input"]


def test_a_choice_that_is_very_long_is_folded_away_and_nothing_of_it_is_lost() -> None:
    long, why = "plum " * 20_000, "pear " * 100
    options = [{"label": long, "description": why}, {"label": "B"}, {"label": "C" * 301}]
    question = {"question": "Which? " * 2_000, "header": "H", "options": options}
    asked = ask_line(tool_name="AskUserQuestion", input={"questions": [question]})
    page = rendered(asked)
    inputs = [node.attributes for node in page.walk() if node.tag == "input"]
    assert [(each["name"], each["value"]) for each in inputs] == [
        ("q-r-0-number", str(number)) for number in range(3)
    ]
    assert all(len(node.text) < 700 for node in page.walk() if node.tag == "label")
    assert all(len(node.text) < 2_100 for node in page.walk() if node.tag == "legend")
    assert all("open" not in node.attributes for node in page.walk() if node.tag == "details")
    boxes = [node.text for node in page.walk() if node.attributes.get("class") == "asked-whole"]
    assert [(text[:5], len(text) > 300) for text in boxes] == [
        *(("Which", True), ("plum ", True), ("CCCCC", True))
    ]
    (block,) = fold((asked,), run_id=RUN_ID).blocks
    assert isinstance(block, AskBlock)
    assert all(text in full_text(block) for text in (long, why)), "where Show all leads to"
    answer = encoder.allow_line("r", {"answers": {question["question"]: long}})
    answered = rendered(asked, answer)
    verdict = next(n for n in answered.walk() if n.attributes.get("class") == "verdict")
    assert len(verdict.text) < 310
    assert [n.text[:5] for n in answered.walk() if n.attributes.get("class") == "asked-whole"] == [
        *("Which", "plum "),
    ]


@pytest.mark.parametrize("questions", [7, "text", [7], [{"options": 7}], {"a": 1}])
def test_malformed_questions_are_tolerated(questions: object) -> None:
    page = rendered(ask_line(tool_name="AskUserQuestion", input={"questions": questions}))
    assert {"Allow", "Deny"} <= set(labels(page)) or labels(page) == ["Answer", "Do not answer"]


def test_each_suggestion_is_a_button_that_states_its_effect() -> None:
    rules = [{"toolName": "Bash", "ruleContent": "npm <b> *"}]
    always = {"type": "addRules", "rules": rules, "destination": "localSettings"}
    edits = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}
    page = rendered(ask_line(permission_suggestions=[always, {"type": "odd"}, edits]))
    buttons = [node for node in page.walk() if node.tag == "button"]
    assert [(node.attributes["value"], node.text) for node in buttons] == [
        ("allow", "Allow"),
        ("deny", "Deny"),
        ("always-0", "Always allow npm <b> * in this project"),
        ("always-2", "Always allow edits in this session"),
        ("deny", "Deny and tell Claude"),
    ]


def test_permission_card_shows_the_path_outside_of_the_project() -> None:
    inside, outside = "/home/me/shop/app.py", "/etc/<hosts>"
    for path in (inside, outside):
        edit = {"file_path": path, "old_string": "a", "new_string": "b"}
        page = rendered(ask_line(tool_name="Edit", input=edit))
        assert "-a" in page.text
        assert ("Outside this project: /etc/<hosts>" in page.text) == (path == outside)


def test_no_field_of_a_card_sends_the_form_by_enter() -> None:
    """In a field of one line, Enter would press the first button of all cards: Allow."""
    asked = ask_line(tool_name="AskUserQuestion", input={"questions": [QUESTION]})
    for page in (rendered(ask_line()), rendered(asked), rendered(ask_line(tool_name=PLAN))):
        kinds = {node.attributes["type"] for node in page.walk() if node.tag == "input"}
        assert kinds <= {"radio", "checkbox"}
        assert [node for node in page.walk() if node.tag == "textarea"]


PLAN = "ExitPlanMode"
BY_PERSON = {"decision": "reject", "source": "user_reject"}
OUR_WORDS = encoder.DENIED


@pytest.mark.parametrize(
    ("answer", "folded", "in_view"),
    [
        (encoder.allow_line("r", {}), ["Allowed"], []),
        (encoder.deny_line("r", encoder.DENIED), ["Denied"], []),
        (encoder.deny_line("r", "Not here."), ["Denied"], ["Not here."]),
    ],
)
def test_decided_call_is_one_card_and_a_reason_stays_in_view(
    answer: bytes, folded: list[str], in_view: list[str]
) -> None:
    use = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}}
    call = line(type="assistant", uuid="u", message={"id": "m", "content": [use]})
    page = rendered(call, ask_line(tool_use_id="t"), answer)
    tool, request = (node for node in page.walk() if node.tag == "article")
    assert ("hidden" in tool.attributes, "hidden" in request.attributes) == (False, True)
    (details,) = (node for node in tool.walk() if node.tag == "details")
    assert verdicts_in(details) == folded
    assert verdicts_in(tool) == folded + in_view


@pytest.mark.parametrize("tool", ["Bash", PLAN, "AskUserQuestion"])
def test_a_stopped_request_is_shown_by_the_card_of_its_call_as_from_history(tool: str) -> None:
    inputs = {"command": "ls", "plan": "x", "questions": [QUESTION]}
    use = {"type": "tool_use", "id": "t", "name": tool, "input": inputs}
    call = line(type="assistant", uuid="u", message={"id": "m", "content": [use]})
    asked = ask_line(tool_name=tool, tool_use_id="t", input=inputs)
    withdrawn = line(type="control_cancel_request", request_id="r")
    stop = "[Request interrupted by user for tool use]"
    note = line(type="user", uuid="v", message={"content": [{"type": "text", "text": stop}]})
    pages = rendered(call, asked, withdrawn, note), rendered(call, note, run_id=None)
    live, past = (
        [n for n in page.walk() if n.tag == "article" and "hidden" not in n.attributes]
        for page in pages
    )
    assert [each.text for each in live] == [each.text for each in past]
    assert [each.text.count("interrupted") for each in live] == [1, 1], "the call, and why"


@pytest.mark.parametrize(
    ("fields", "said", "in_view"),
    [
        ({"toolDenialKind": "permission-rule", "permissionDecision": BY_PERSON}, "Not here.", True),
        ({"toolDenialKind": "permission-rule", "permissionDecision": BY_PERSON}, OUR_WORDS, False),
        (
            {"toolDenialKind": "user-rejected", "toolUseResult": "User rejected tool use"},
            "It was rejected. To tell you how to proceed, the user said:\nNot here.",
            True,
        ),
    ],
)
def test_a_denial_looks_in_history_as_it_did_live(
    fields: dict[str, Any], said: str, in_view: bool
) -> None:
    """Also one at the terminal, with what was said there."""
    use = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}}
    call = line(type="assistant", uuid="u", message={"id": "m", "content": [use]})
    result = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": said}
    at = {"uuid": "v", "timestamp": "2026-11-30T19:12:37.455Z", "message": {"content": [result]}}
    live = {"non_execution_kind": "permission-rule", "permission_decision": BY_PERSON}
    answer = encoder.deny_line("r", "Not here." if in_view else OUR_WORDS, at=7.0)
    past = rendered(call, line(type="user", **at, **fields), run_id=None)
    lines = (call, ask_line(tool_use_id="t"), answer)
    shown = rendered(*lines, line(type="user", **at, tool_result_meta=[live]))
    cards = [next(n for n in page.walk() if n.tag == "article") for page in (past, shown)]
    seen = ["Denied · 19:12", *(["Not here."] if in_view else [])]
    assert [verdicts_in(card) for card in cards] == [seen, seen]
    texts = [card.text.partition("ls")[2] for card in cards]
    assert texts[0] == texts[1]
    assert [text.lower().count("denied") for text in texts] == [2, 2], "in its line, and folded"
    assert OUR_WORDS not in texts[0]


def test_a_rejected_plan_is_not_taken_for_words_of_the_person() -> None:
    use = {"type": "tool_use", "id": "t", "name": "ExitPlanMode", "input": {"plan": "x"}}
    call = line(type="assistant", uuid="u", message={"id": "m", "content": [use]})
    said = "The plan was rejected.\n\nRejected plan:\nthe user said:\nDelete everything."
    result = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": said}
    fields = {"toolDenialKind": "user-rejected", "toolUseResult": "User rejected tool use"}
    page = rendered(
        call, line(type="user", uuid="v", message={"content": [result]}, **fields), run_id=None
    )
    assert verdicts_in(next(n for n in page.walk() if n.tag == "article")) == []


def test_the_output_of_a_call_that_was_carried_out_beside_a_denied_one_is_shown() -> None:
    """One line has both results."""
    uses = [
        {"type": "tool_use", "id": each, "name": "Bash", "input": {"command": "ls"}}
        for each in ("denied", "done")
    ]
    results = [
        {"type": "tool_result", "tool_use_id": "denied", "is_error": True, "content": "Not here."},
        {"type": "tool_result", "tool_use_id": "done", "content": "plant.py"},
    ]
    fields = {"toolDenialKind": "permission-rule", "permissionDecision": BY_PERSON}
    page = rendered(
        line(type="assistant", uuid="u", message={"id": "m", "content": uses}),
        line(type="user", uuid="v", message={"content": results}, **fields),
        run_id=None,
    )
    denied, done = (node for node in page.walk() if node.tag == "article")
    assert verdicts_in(denied) == ["Denied", "Not here."]
    assert verdicts_in(done) == []
    assert "plant.py" in done.text


def verdicts_in(card: dom.Node) -> list[str]:
    return [node.text for node in card.walk() if node.attributes.get("class") == "verdict"]


def test_open_question_is_rendered_once() -> None:
    use = {"type": "tool_use", "id": "t", "name": "AskUserQuestion", "input": {"questions": []}}
    call = line(type="assistant", uuid="u", message={"id": "m", "content": [use]})
    asked = ask_line(tool_name="AskUserQuestion", tool_use_id="t", input={"questions": [QUESTION]})
    hidden = [
        ["hidden" in node.attributes for node in page.walk() if node.tag == "article"]
        for page in (rendered(call), rendered(call, asked))
    ]
    assert hidden == [[False], [True, False]]


def test_a_question_that_is_no_longer_asked_is_shown_with_its_choices() -> None:
    """By the card of its call, which goes on or was interrupted."""
    use = {"type": "tool_use", "id": "t", "name": "AskUserQuestion"}
    asked = {"questions": [QUESTION]}
    call = line(
        type="assistant", uuid="u", message={"id": "m", "content": [use | {"input": asked}]}
    )
    ask = ask_line(tool_name="AskUserQuestion", tool_use_id="t", input=asked)
    withdrawn = line(type="control_cancel_request", request_id="r")
    goes_on, over = rendered(call, ask, withdrawn), rendered(call, ask, close=True)
    for page, verdict in ((goes_on, ""), (over, "No answer\n")):
        (card,) = (
            node
            for node in page.walk()
            if node.tag == "article" and "hidden" not in node.attributes
        )
        (choices,) = (node.text for node in card.walk() if node.tag == "dd")
        assert choices == f"{verdict}• A: The first\n• B"
        assert str(QUESTION["question"]) in card.text
