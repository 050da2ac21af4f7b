"""Blocks as HTML: a whole page, and the updates that bring an older page up to date."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.engines.messages import Message
from opcode_htmx.markup.markdown_parser import FENCE_LINES
from opcode_htmx.rendering import clock
from opcode_htmx.rendering.fragments import Fragments, block_of, dom_id, is_hashed
from opcode_htmx.rendering.tool_cards import SHOWN_CHARACTERS
from opcode_htmx.transcript.blocks import (
    Block,
    BranchBlock,
    TextBlock,
    ToolBlock,
)
from opcode_htmx.transcript.conversation.conversation import Change
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import (
    QUESTION,
    Captured,
    capture,
    fold,
    fragments,
    line,
    with_ends,
)
from tests.support.environment import ROOT
from tests.support.pages import dom

RUN_ID = "r" * 32
UUID = "0a1b2c3d-0000-4000-8000-123456789012"
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)></pre>{{7*7}}&lt;"

ATTRIBUTES = {
    *("class", "id", "data-order", "data-state", "tabindex", "form", "formaction", "hx-post"),
    *("hx-swap", "name", "value", "type", "href", "autocomplete", "disabled", "rel", "target"),
    *("hx-target", "hx-sync", "key", "title", "start", "rows", "maxlength"),
    *("data-o", "data-n", "hidden", "aria-label", "aria-hidden", "data-tool", "dir"),
}
TAGS = {
    *("article", "h2", "div", "p", "details", "summary", "span", "pre", "button", "fieldset"),
    *("legend", "label", "input", "b", "code", "a", "hx-upsert", "section", "ul", "ol", "li"),
    *("h1", "em", "strong", "textarea", "dl", "dt", "dd", "#page"),
}


@pytest.fixture(scope="session")
def captured(claude: Path) -> Captured:
    return capture(claude)


def page_of(transcript: Transcript, render: Fragments) -> str:
    blocks = "".join(render.block(block) for block in transcript.blocks)
    return f'<section id="transcript">{blocks}</section>'


def changes(transcript: Transcript, since: int, render: Fragments) -> str:
    return render.changes(Change(block, since) for block in transcript.changed_since(since))


# --- ids ------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=())))
def test_the_id_of_an_element_is_safe_and_stable(block_id: str) -> None:
    assert re.fullmatch(r"b-[A-Za-z0-9_-]{1,80}", dom_id(block_id))
    assert dom_id(block_id) == dom_id(block_id)


@pytest.mark.parametrize("block_id", ["a b", "a<b", 'a"b', "a'b", "", "ä", "a\n", "x" * 81, "a.b"])
def test_unsafe_id_is_replaced_by_a_unique_safe_one(block_id: str) -> None:
    assert dom_id(block_id) != dom_id(block_id + " ")
    assert block_id not in dom_id(block_id) or not block_id


@pytest.mark.parametrize(
    "block_id", ["msg_01AbC-2", f"{UUID}-0", f"{UUID}-error", "line-0-4711-1", f"end-{UUID}"]
)
def test_a_usual_id_is_kept(block_id: str) -> None:
    assert dom_id(block_id) == f"b-{block_id}"


@given(st.from_regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-([0-9]{12}|[a-f]{12})", fullmatch=True))
def test_the_id_of_a_prompt_is_kept(prompt_id: str) -> None:
    """The page finds by it whether what was sent is there: sending.js."""
    assert dom_id(prompt_id) == f"b-{prompt_id}"


def test_no_block_has_the_id_of_an_element_that_a_template_names() -> None:
    templates = (ROOT / "templates/transcript").glob("*.html")
    ids = re.findall(r'(?<![-\w])id="(\{\{[^"]*)"', "".join(each.read_text() for each in templates))
    words = {found[1] for each in ids if (found := re.search(r"\}-([a-z]+)(?:\{\{.*)?$", each))}
    assert words >= {"d", "parts", "children", "in", "x", "preview", "problem", "none"}
    for word in words:
        block_id = "m-0-x0" if word == "x" else f"m-0-{word}"
        assert dom_id(block_id) != f"b-{block_id}"


@pytest.mark.parametrize("block_id", ["m-0-1", "a b", "line-0-4711-1"])
def test_a_block_is_found_by_the_id_of_its_element_also_by_earlier_ones(block_id: str) -> None:
    hashed = sha256(block_id.encode()).hexdigest()[:24]
    for element in (dom_id(block_id), f"b-{block_id}", f"b-{hashed}"):
        assert block_of(element, ["m-0", block_id, "m-1"]) == block_id
        assert block_of(element, ["m-0", "m-1"]) == ""
    assert is_hashed(dom_id("a b")) and not is_hashed(dom_id("m-0"))


@pytest.mark.parametrize("prefix", ["", "-"])
def test_an_id_that_reads_as_the_hash_of_another_one_is_not_taken_for_it(prefix: str) -> None:
    hostile = prefix + dom_id("a b").removeprefix("b--")
    for ids in ([hostile, "a b"], ["a b", hostile]):
        assert [block_of(dom_id(each), ids) for each in ids] == ids


def test_ids_that_are_no_valid_unicode_have_different_elements() -> None:
    assert len({dom_id(each) for each in ("a?", "a\ud800", "a\udfff", "a\ufffd")}) == 4


@given(
    st.from_regex(r"(?:msg_[0-9a]|line|[0-9a-b]{1,2})(?:-[0-9]){0,3}-[0-9]", fullmatch=True),
    st.from_regex(
        r"(?:msg_[0-9a]|line|[0-9a-b]{1,2})(?:-[0-9]){0,4}(?:-parts|-x[0-9])?", fullmatch=True
    ),
    st.sampled_from(["-{}", "-{}-{}", "-{}-in", "-parts", "-d", "-x{}"]),
    st.lists(st.integers(0, 9), min_size=2, max_size=2),
)
def test_no_block_has_the_id_of_a_part_of_a_text(
    text_id: str, block_id: str, suffix: str, numbers: list[int]
) -> None:
    assert dom_id(block_id) != dom_id(text_id) + suffix.format(*numbers)
    hashed = dom_id("a b").removeprefix("b-") + suffix.format(*numbers)
    assert dom_id(hashed) != dom_id("a b") + suffix.format(*numbers)


def test_parts_of_two_texts_have_different_ids() -> None:
    """Although the message of the second one is named as if it were a part of the first one."""
    whole = [f"{message}-0" for message in ("m", "m-0", "m-0-0", "m-0-parts")]
    ids = [f"{dom_id(each)}{more}" for each in whole for more in ("", "-0", "-0-0", "-parts")]
    assert len(set(ids)) == len(ids)


# --- a viewer -------------------------------------------------------------------------------


def growing() -> list[bytes]:
    """An answer in many parts, one that differs from its deltas, and a subagent's."""

    def event(message_id: str, parent: str | None = None, **event: object) -> bytes:
        fields = {"api_message_id": message_id, "parent_tool_use_id": parent}
        return line(type="stream_event", event=event, **fields)

    def whole(message_id: str, parent: str | None, *content: object) -> bytes:
        message = {"id": message_id, "content": content}
        return line(type="assistant", uuid="u", message=message, parent_tool_use_id=parent)

    def streamed(message_id: str, parent: str | None, text: str) -> list[bytes]:
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
        pieces = [text[at : at + 9] for at in range(0, len(text), 9)]
        delta = {"type": "content_block_delta", "index": 0}
        return [
            event(message_id, parent, **start),
            *(event(message_id, parent, **delta, delta={"text": piece}) for piece in pieces),
        ]

    code = "".join(f"line {number}\n" for number in range(FENCE_LINES + 9))
    text = f"# Title\n\nOne.\n\n- a\n- b\n\n```\n{code}```\n\nLast.\n"
    task = {"type": "tool_use", "id": "task", "name": "Task", "input": {"prompt": "Look"}}
    return [
        *streamed("m1", None, text),
        whole("m1", None, {"type": "text", "text": text}),
        *streamed("m2", None, "This is not\n\nwhat it said.\n"),
        whole("m2", None, {"type": "text", "text": "Another text.\n\nAltogether."}),
        whole("m3", None, task),
        *streamed("m4", "task", text),
        line(type="result", uuid="result", subtype="success"),
        *streamed("m4", "task", text),
    ]


@cache
def messages(captured: Captured) -> list[tuple[int, Message]]:
    lines = (*captured.stdout, *growing())
    return [(end, parser.parse(data)) for end, data in with_ends(lines)]


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.floats(0, 1), max_size=12), twice=st.booleans(), close=st.booleans())
def test_viewer_with_missed_updates_ends_with_the_page_of_a_fresh_load(
    captured: Captured, cuts: list[float], twice: bool, close: bool
) -> None:
    """The viewer loads the page at the first cut, and receives the changes at each later one."""
    lines = messages(captured)
    ends = sorted({int(cut * len(lines)) for cut in cuts} | {len(lines)})
    transcript, render = Transcript("1", run_id=RUN_ID, cost_before=0.0), fragments()
    page, since, fed = None, 0, 0
    for stop in ends:
        for end, message in lines[fed:stop]:
            transcript.feed(message, end)
        fed = stop
        if close and stop == len(lines):
            transcript.close("It crashed.", "On stderr.")
        if page is None:
            page = dom.parse(page_of(transcript, render))
        else:
            update = changes(transcript, since, render)
            for _ in range(1 + twice):
                dom.apply(page, update)
        since = transcript.offset
    assert str(page) == str(dom.parse(page_of(transcript, render)))


def test_viewer_with_every_update_ends_with_the_page_of_a_fresh_load(captured: Captured) -> None:
    """One difference a line, as many as there are."""
    transcript, render = Transcript("1", run_id=RUN_ID, cost_before=0.0), fragments()
    page = dom.parse(page_of(transcript, render))
    for end, message in messages(captured):
        since = transcript.offset
        transcript.feed(message, end)
        dom.apply(page, changes(transcript, since, render))
    again = fold((*captured.stdout, *growing()), run_id=RUN_ID)
    assert str(page) == str(dom.parse(page_of(again, fragments())))


def test_up_to_date_viewer_receives_nothing(captured: Captured) -> None:
    live = captured.live()
    assert changes(live, live.offset, fragments()) == ""


def test_ids_on_the_page_are_unique(captured: Captured) -> None:
    page = dom.parse(page_of(fold((*captured.stdout, *growing()), run_id=RUN_ID), fragments()))
    ids = [node.id for node in page.walk() if node.id]
    assert len(ids) == len(set(ids)) > 100


def test_only_the_parts_that_changed_are_sent() -> None:
    transcript, render = Transcript("1", run_id=RUN_ID), fragments()
    lines = with_ends(tuple(growing()[:8]))
    for end, data in lines:
        transcript.feed(parser.parse(data), end)
    update = dom.parse(changes(transcript, lines[-2][0], render))
    (upsert,) = update.elements
    assert upsert.attributes["hx-target"] == "#b-m1-0-parts"
    assert [part.attributes["data-order"] for part in upsert.elements] == ["3"]
    assert changes(transcript, transcript.offset - 1, render) == changes(
        transcript, lines[-2][0], render
    )
    assert [part.attributes["class"] for part in upsert.elements] == ["part md"]


# --- one rendering for all ------------------------------------------------------------------


def test_a_block_is_rendered_once_for_all_viewers(captured: Captured) -> None:
    live, render = captured.live(), fragments()
    first = [render.block(block) for block in live.blocks]
    again = [render.block(block) for block in live.blocks]
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_block_is_rendered_again_when_it_or_its_children_change() -> None:
    transcript, render = Transcript("1", run_id=RUN_ID), fragments()
    rendered: list[str] = []
    parent = {"parent_tool_use_id": "t"}
    for number, use in enumerate(({}, parent, parent)):
        content = [{"type": "tool_use", "id": "tuv"[number], "name": "Bash", "input": {}}]
        message = {"id": f"m{number}", "content": content}
        data = line(type="assistant", uuid="u", message=message, **use)
        transcript.feed(parser.parse(data), number + 1)
        rendered.append(render.block(transcript.blocks[0]))
    assert [html.count("<article") for html in rendered] == [1, 2, 3]


# --- what is shown --------------------------------------------------------------------------


def hostile_lines() -> list[bytes]:
    """A hostile text in every field that is shown."""
    h = HOSTILE
    option = {"label": h, "description": h}
    question = {"question": h, "header": h, "options": [option], "multiSelect": True}

    def user(content: object, **fields: object) -> bytes:
        return line(type="user", message={"content": content}, **fields)

    def assistant(*content: object, **fields: object) -> bytes:
        return line(type="assistant", message={"id": h, "content": content}, **fields)

    def use(tool_id: str, name: str, **tool_input: object) -> Any:
        return {"type": "tool_use", "id": tool_id, "name": name, "input": tool_input}

    def ask(request_id: str, name: str, **tool_input: object) -> bytes:
        request = {
            "subtype": "can_use_tool",
            "tool_name": name,
            "input": tool_input,
            "description": h,
            "blocked_path": h,
        }
        return line(type="control_request", request_id=request_id, request=request)

    patch = {"structuredPatch": [{"oldStart": h, "lines": [f"+{h}", f"-{h}", h]}]}
    result = {"type": "tool_result", "tool_use_id": h, "content": h}
    answer = {"behavior": "allow", "updatedInput": {"answers": {h: h}}}
    return [
        user(h, uuid=h),
        assistant({"type": "text", "text": h}, {"type": "thinking", "thinking": h}),
        assistant(use(h, h, command=h, **{h: h}), use("e", "Edit", old_string=h, new_string=h)),
        assistant(use("p", "ExitPlanMode", plan=h), {"type": h, h: h}),
        user([result], uuid="x", tool_use_result=patch),
        ask(h, "Bash", command=h),
        ask("open", "AskUserQuestion", questions=[question]),
        ask("answered", "AskUserQuestion", questions=[question]),
        line(
            type="control_response",
            response={"subtype": "success", "request_id": "answered", "response": answer},
        ),
        ask("plan", "ExitPlanMode", plan=h),
        ask("other", h, **{h: h}),
        line(type="system", subtype=h, content=h, uuid="n"),
        line(type="system", subtype=h, uuid="n2"),
        line(type="result", is_error=True, result=h, uuid="s"),
        assistant({"type": "text", "text": h}, error=h, uuid="e2"),
        line(type=h, text=h),
        f"{h}\n".encode(),
    ]


def links(page: dom.Node) -> list[dom.Node]:
    """The links of a page, but for the ways to a block's own link."""
    found = [node for node in page.walk() if node.tag == "a"]
    return [node for node in found if "more" not in (node.attributes.get("class") or "").split()]


def test_hostile_text_in_every_field_is_escaped() -> None:
    render = fragments()
    before = fold(tuple(hostile_lines()[:-5]), run_id=RUN_ID)  # the requests are open
    after = fold(tuple(hostile_lines()), run_id=RUN_ID)
    after.close(HOSTILE, HOSTILE)
    for transcript in (before, after):
        for html in (page_of(transcript, render), changes(transcript, 0, render)):
            for node in dom.parse(html).walk():
                assert node.tag in TAGS
                assert node.attributes.keys() <= ATTRIBUTES
                href = node.attributes.get("href") or ""
                assert href == "" or href.startswith("/projects/p/sessions/s/blocks/")
                for name in ("id", "form", "hx-target"):
                    assert re.fullmatch(r"#?[A-Za-z0-9_-]*", node.attributes.get(name) or "")
                action = node.attributes.get("hx-post") or ""
                assert re.fullmatch(r"(/runs/r{32}/asks/[\w%./~-]+)?", action)


@pytest.mark.parametrize("number", range(len(hostile_lines())))
def test_hostile_text_is_shown_in_full(number: int) -> None:
    lines = hostile_lines()
    # an answer is shown with its question
    first = number - 1 if b'"control_response"' in lines[number] else number
    page = dom.parse(page_of(fold(tuple(lines[first : number + 1]), run_id=RUN_ID), fragments()))
    as_markdown = HOSTILE.replace("&lt;", "<")
    as_json = json.dumps(HOSTILE)[1:-1]
    said = page.text.replace("_", " ")
    assert any(form in said for form in (HOSTILE, as_markdown, as_json))


def rendered(*lines: bytes, close: bool = False) -> dom.Node:
    transcript = fold(lines, run_id=RUN_ID)
    if close:
        transcript.close()
    return dom.parse(page_of(transcript, fragments()))


def ask_line(**fields: object) -> bytes:
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}, **fields}
    return line(type="control_request", request_id="r", request=request)


def labels(page: dom.Node) -> list[str]:
    return [node.text for node in page.walk() if node.tag == "button"]


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


def test_long_output_is_truncated_with_a_link_to_the_whole() -> None:
    output = "x" * (SHOWN_CHARACTERS + 1234)
    result = {"type": "tool_result", "tool_use_id": "a/b", "content": output}
    page = rendered(line(type="user", uuid="u", message={"content": [result]}))
    (pre,) = [node for node in page.walk() if node.tag == "pre"]
    assert pre.text == output[:SHOWN_CHARACTERS]
    (link,) = links(page)
    assert link.attributes["href"] == "/projects/p/sessions/s/blocks/a/b"
    assert "1,234 more characters" in page.text


def test_a_long_diff_is_cut_and_says_by_how_much() -> None:
    use = {"type": "tool_use", "id": "t", "name": "Write", "input": {"content": "a\n" * 500}}
    page = rendered(line(type="assistant", uuid="u", message={"id": "m", "content": [use]}))
    assert len([n for n in page.walk() if n.attributes.get("class") == "diff-add"]) == 200
    assert "Show all (300 more lines)" in page.text


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAD0lEQVR4nGNkYGBgQAIAAMQABp8q"
"""The beginning of an image of three pixels by two."""


def test_an_image_is_shown_with_its_size_at_an_address_of_its_own() -> None:
    image = {"type": "image", "source": {"media_type": "text/html", "data": PNG}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image, image]}
    for page in (
        rendered(line(type="user", uuid="t", message={"content": [image, image]})),
        rendered(line(type="user", uuid="u", message={"content": [result]})),
    ):
        images = [node.attributes for node in page.walk() if node.tag == "img"]
        address = "/projects/p/sessions/s/blocks/t/images"
        assert [image["src"] for image in images] == [f"{address}/0", f"{address}/1"]
        assert {(i["width"], i["height"], i["loading"]) for i in images} == {("3", "2", "lazy")}


@pytest.mark.parametrize("data", ["", "QQ==", "PHN2Zz4=", "!", PNG[:24]])
def test_unrenderable_image_is_replaced_by_a_line(data: str) -> None:
    image = {"type": "image", "source": {"media_type": "image/png", "data": data}}
    page = rendered(line(type="user", uuid="u", message={"content": [image]}))
    assert [node for node in page.walk() if node.tag == "img"] == []
    assert "Image image/png" in " ".join(page.text.split())


def tool_lines(name: str, details: object = None, output: str = "", **tool_input: Any) -> Any:
    use = {"type": "tool_use", "id": "t", "name": name, "input": tool_input}
    result = {"type": "tool_result", "tool_use_id": "t", "content": output}
    return (
        line(type="assistant", uuid="a", message={"id": "m", "content": [use]}),
        line(type="user", uuid="u", message={"content": [result]}, tool_use_result=details),
    )


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//a.b/", "data:text/html,a", "/x", 7, ""])
def test_only_the_webs_own_addresses_become_links(url: object) -> None:
    pages = {"results": [{"content": [{"url": url, "title": "a"}]}]}
    for lines in (
        tool_lines("WebFetch", url=url, output="said"),
        tool_lines("WebSearch", pages, query="a", output="said"),
    ):
        assert links(rendered(*lines)) == []


def test_a_search_of_the_web_shows_its_results_as_links() -> None:
    pages = {"results": [{"content": [{"url": "https://a.b/?c", "title": "A <b>"}]}, "Words."]}
    page = rendered(*tool_lines("WebSearch", pages, query="a", output="Links: [...]"))
    (link,) = links(page)
    assert (link.text, link.attributes["href"]) == ("A <b>", "https://a.b/?c")
    assert link.attributes["rel"] == "noopener noreferrer"
    assert "1 result" in page.text and "Words." in page.text


def test_bare_addresses_are_links_in_prompts_output_and_notices_but_not_in_requests() -> None:
    where = "http://localhost:5173/a_b and https://a.b/c."
    coloured = "\x1b[36mhttp://localhost:\x1b[1m5173\x1b[22m/a_b\x1b[39m and https://a.b/c."
    found = ["http://localhost:5173/a_b", "https://a.b/c"]
    request = {
        "subtype": "can_use_tool",
        "tool_name": "Bash",
        "input": {"command": f"open {where}"},
    }
    for lines in (
        (line(type="user", uuid="t", message={"content": where}),),
        tool_lines("Bash", {"stdout": coloured}, command="ls", output="x"),
        tool_lines("Bash", command=f"open {where}", output="x"),
        tool_lines("Read", {"file": {"content": where, "startLine": 1}}, file_path="/x/a.py"),
        (line(type="assistant", uuid="a", message={"id": "m", "content": where}),),
    ):
        in_texts = [each for each in links(rendered(*lines)) if each.text != "Open the file"]
        assert [each.attributes["href"] for each in in_texts] == found
        assert [each.text for each in in_texts] == found
        assert ["title" in each.attributes for each in in_texts] == [True, False]
    assert links(rendered(line(type="control_request", request_id="r", request=request))) == []


def test_a_pull_request_leads_to_its_page_and_to_its_state() -> None:
    url = "https://github.com/a/b/pull/7"
    raw = {"url": url, "repo": "a/b", "identifier": "7", "action": "created", "uuid": "p"}
    page = rendered(line(type="system", subtype="code_change_published", **raw))
    first, second = links(page)[:2]
    assert first.attributes["href"] == url
    address = second.attributes["href"] or ""
    assert address.endswith("/git/pull-request?address=https%3A%2F%2Fgithub.com%2Fa%2Fb%2Fpull%2F7")
    assert "/sessions/" not in address.partition("?")[0]
    asked = next(each for each in page.walk() if "hx-get" in each.attributes)
    assert asked.attributes["hx-get"] == address.replace("?", "/state?")


@pytest.mark.parametrize("text", ["safe\u202egpj.exe http://a.b/c", "http://a.b/c\u200b.evil.org"])
def test_links_in_output_hide_no_invisible_characters(text: str) -> None:
    page = rendered(*tool_lines("Bash", {"stdout": text}, command="ls", output="x"))
    assert f"⟨U+{ord(next(c for c in text if c > '~')):04X}⟩" in page.text
    assert [each.text for each in links(page)] == (["http://a.b/c"] if "safe" in text else [])


def test_line_numbers_are_excluded_from_reading_and_copying() -> None:
    details = {
        "file": {"content": "import a\n\nb", "startLine": 9, "numLines": 3, "totalLines": 50}
    }
    page = rendered(*tool_lines("Read", details, file_path="/x/a.py", output="9\timport a"))
    numbers, code = [node for node in page.walk() if node.tag == "pre"]
    assert (numbers.text, numbers.attributes["aria-hidden"]) == ("9\n10\n11", "true")
    assert code.text == "import a\n\nb"
    patch = [{"oldStart": 9, "newStart": 10, "lines": [" a", "-b c", "+b d"]}]
    page = rendered(*tool_lines("Edit", {"structuredPatch": patch}, file_path="/x/a.py"))
    (diff,) = [node for node in page.walk() if node.tag == "pre"]
    assert diff.text == " a-b c+b d"
    assert [(n.attributes["data-o"], n.attributes["data-n"]) for n in diff.elements] == [
        *((" 9", "10"), ("10", "  "), ("  ", "11")),
    ]


def test_open_question_is_rendered_once() -> None:
    use = {"type": "tool_use", "id": "t", "name": "AskUserQuestion", "input": {"questions": []}}
    call = line(type="assistant", uuid="u", message={"id": "m", "content": [use]})
    asked = ask_line(tool_name="AskUserQuestion", tool_use_id="t", input={"questions": [QUESTION]})
    hidden = [
        ["hidden" in node.attributes for node in page.walk() if node.tag == "article"]
        for page in (rendered(call), rendered(call, asked))
    ]
    assert hidden == [[False], [True, False]]


def test_a_limit_says_when_it_ends() -> None:
    info = {"status": "rejected", "rateLimitType": "five_hour", "resetsAt": 1_795_300_000}
    event = line(type="rate_limit_event", rate_limit_info=info, uuid="u")
    page = rendered(event, event)
    at = f"{datetime.fromtimestamp(1_795_300_000).astimezone():%H:%M}"
    assert page.text.startswith(f"The 5-hour limit is reached. It ends at {at} UTC")
    assert page.text.count("reached") == 1
    (time_,) = (node for node in page.walk() if node.tag == "time")
    assert datetime.fromisoformat(str(time_.attributes["datetime"])).timestamp() == 1_795_300_000


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", "22:26 UTC, 21 Nov"),
        ("Europe/Berlin", "23:26 UTC+1, 21 Nov"),
        ("Asia/Kathmandu", "04:11 UTC+5:45, 22 Nov"),
        ("America/St_Johns", "18:56 UTC−3:30, 21 Nov"),
    ],
)
def test_a_phone_in_another_time_zone_can_tell_when_it_is(
    monkeypatch: pytest.MonkeyPatch, zone: str, expected: str
) -> None:
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            assert clock.local_time(1_795_300_000) == expected
    finally:
        time.tzset()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"duration_ms": 1234, "total_cost_usd": 0.5}, "1.2 s 0 tokens in, 0 out · $0.50"),
        (
            {"duration_ms": 59_960, "total_cost_usd": 0.00123},
            "1 min 0 s 0 tokens in, 0 out · $0.0012",
        ),
        ({"duration_ms": 119_700}, "2 min 0 s 0 tokens in, 0 out"),
        (
            {"usage": {"input_tokens": 12345, "output_tokens": 6}},
            "0.0 s 12,345 tokens in, 6 out",
        ),
    ],
)
def test_summary_shows_duration_tokens_and_cost_of_a_turn(
    fields: dict[str, Any], expected: str
) -> None:
    page = rendered(line(type="result", uuid="u", **fields))
    assert page.text.strip() == expected


def test_summary_shows_the_cost_of_turn_and_session() -> None:
    page = rendered(
        line(type="result", uuid="u1", total_cost_usd=1.0),
        line(type="result", uuid="u2", total_cost_usd=1.25),
    )
    assert "$0.25 · $1.25 so far" in page.text


def test_every_kind_of_block_is_shown(captured: Captured) -> None:
    kinds = {kind.kind for kind in Block.__subclasses__() + TextBlock.__subclasses__()}
    shell = line(type="user", uuid="u", message={"content": "<bash-input>ls</bash-input>"})
    lines = (*captured.stdout, shell, b"no JSON\n")
    transcript = fold(lines, run_id=RUN_ID)
    render = fragments()
    for block in transcript.blocks:
        kinds.discard(block.kind)
        assert dom.parse(render.block(block)).text.strip()
    assert kinds == {BranchBlock.kind}  # made by a conversation, see test_branches
    assert any(isinstance(block, ToolBlock) for block in transcript.blocks)
