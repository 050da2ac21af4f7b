"""Hostile text in every field is escaped, and shown in full."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.rendering.fragments.pages import RUN_ID, changes, page_of
from tests.support.cli.captured import fold, fragments, line
from tests.support.pages import dom

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
