"""The choices of a form that answers Claude's questions."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.features.permissions.routes import answers_to
from opcode_htmx.web.http.forms import BadForm
from tests.rendering.fragments.pages import ask_line, rendered


def test_choices_are_answered_by_their_labels_or_by_their_numbers() -> None:
    options = [{"label": "A" * 400}, {"label": "B"}]
    questions = [{"question": "Which?", "multiSelect": True, "options": options}]
    ask = PermissionRequest("r", "AskUserQuestion", {"questions": questions}, "t", "", "", ())

    def answered(*chosen: tuple[str, str]) -> dict[str, Any]:
        return answers_to(ask, MultiDict(chosen))

    for chosen in ([("q-r-0-number", "0"), ("q-r-0-number", "1")], [("q-r-0", f"{'A' * 400}, B")]):
        assert answered(*chosen) == {"answers": {"Which?": f"{'A' * 400}, B"}}
    assert answered(("q-r-0-text", "plums\r\nand pears")) == {
        "answers": {"Which?": "plums\nand pears"}
    }, "lines as a person sees them, and not as a form sends them"
    assert answered(("q-r-0", "no\r\nplums")) == {"answers": {"Which?": "no\nplums"}}
    for number in ("2", "-1", "x", ""):
        with pytest.raises(BadForm, match="has not offered that"):
            answered(("q-r-0-number", number))


@pytest.mark.parametrize("label", ["plums\nand pears", "plums\r\nand pears", "plums\rand pears"])
def test_a_label_of_several_lines_is_answered_as_claude_has_written_it(label: str) -> None:
    questions = [{"question": "Which?", "options": [{"label": label}, {"label": "B"}]}]
    ask = PermissionRequest("r", "AskUserQuestion", {"questions": questions}, "t", "", "", ())
    sent = MultiDict([("q-r-0", "plums\r\nand pears")])
    assert answers_to(ask, sent) == {"answers": {"Which?": label}}


def test_of_several_questions_the_one_without_an_answer_is_named_by_its_number() -> None:
    questions = [{"question": f"{'Which of the trees ' * 20}{each}?"} for each in ("here", "there")]
    asked = ask_line(tool_name="AskUserQuestion", input={"questions": questions})
    ask = PermissionRequest("r", "AskUserQuestion", {"questions": questions}, "t", "", "", ())
    with pytest.raises(BadForm, match="answer to question 2 of 2: “Which of") as refused:
        answers_to(ask, MultiDict([("q-r-0-text", "oaks")]))
    assert refused.value.words == "question 2 of 2"
    second = [node for node in rendered(asked).walk() if node.tag == "fieldset"][1]
    assert refused.value.place == second.attributes["id"]
    ask = PermissionRequest("r", "AskUserQuestion", {"questions": questions[:1]}, "t", "", "", ())
    with pytest.raises(BadForm, match="answer to the question: “Which of"):
        answers_to(ask, MultiDict())


def test_two_questions_with_the_same_words_have_one_answer() -> None:
    options = [{"label": "A"}, {"label": "B"}]
    questions = [{"question": "Which?", "options": options} for _ in range(2)]
    ask = PermissionRequest("r", "AskUserQuestion", {"questions": questions}, "t", "", "", ())
    with pytest.raises(BadForm, match="answer them alike") as refused:
        answers_to(ask, MultiDict([("q-r-0", "A"), ("q-r-1", "B")]))
    assert refused.value.place.endswith("-1")
    sent = [("q-r-0", "A"), ("q-r-1", "A"), ("q-r-0-note", "now"), ("q-r-1-note", "later")]
    assert answers_to(ask, MultiDict(sent)) == {
        "answers": {"Which?": "A"},
        "annotations": {"Which?": {"notes": "now\n\nlater"}},
    }
