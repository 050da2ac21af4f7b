"""The card of what an MCP server asks, its answer, its row in a list, and its other forms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.engines.messages import ElicitationRequest
from opcode_htmx.rendering import search, to_markdown
from opcode_htmx.rendering.asks.brief import brief_elicitation
from opcode_htmx.rendering.asks.elicitations import elicitation_of
from opcode_htmx.transcript.blocks import AskBlock
from opcode_htmx.transcript.fold import Transcript
from tests.rendering.fragments.pages import RUN_ID, labels, rendered
from tests.runs.elicitation.test_values import NAMED, anything, of_schema, request
from tests.support.cli.captured import fold, line

HOSTILE = "<img src=x onerror=alert(1)>\u202e\"'{{7*7}}"
SECRET = "hush-4711"


def ask_line(**fields: object) -> bytes:
    asked = {"subtype": "elicitation", "mcp_server_name": "orchard", "message": "Well?", **fields}
    return line(type="control_request", request_id="r", request=asked)


def form(**properties: object) -> bytes:
    required = [name for name in properties if name.endswith("_")]
    return ask_line(requested_schema={"properties": properties, "required": required})


def answer(action: str, **content: object) -> bytes:
    return encoder.elicitation_line("r", action, content or None)


def block_of(*lines: bytes) -> AskBlock:
    transcript: Transcript = fold(lines, run_id=RUN_ID)
    (block,) = transcript.blocks
    assert isinstance(block, AskBlock)
    return block


def test_an_open_question_has_three_buttons_and_a_closed_one_its_verdict() -> None:
    asked = form(name_={"type": "string"})
    assert labels(rendered(asked)) == ["Accept", "Decline", "Cancel"]
    for last, verdict in (
        (answer("accept", name_="x"), "Accepted"),
        (answer("decline"), "Declined"),
        (answer("cancel"), "Cancelled"),
        (line(type="control_cancel_request", request_id="r"), "No longer asked"),
        (encoder.refusal_line("r"), "No longer asked"),
    ):
        page = rendered(asked, last)
        assert labels(page) == []
        assert verdict in page.text


def test_fields_have_their_inputs_with_defaults() -> None:
    page = rendered(
        form(
            name_={"type": "string", "default": "Anna"},
            mail={"type": "string", "format": "email"},
            site={"type": "string", "format": "uri"},
            day={"type": "string", "format": "date", "default": "2026-05-31"},
            count={"type": "integer", "default": 3},
            ripe={"type": "boolean", "default": False},
            fruit_={"type": "string", **NAMED, "default": "p"},
            tools={"type": "array", "items": NAMED, "default": ["a"]},
            place_={"enum": list("abcdefghij"), "default": "c"},
        )
    )
    found = [
        (node.attributes.get("type") or node.tag, node.attributes.get("value") or node.text.strip())
        for node in page.walk()
        if node.tag in ("input", "textarea")
    ]
    assert found == [
        ("textarea", "Anna"),
        ("email", ""),
        ("url", ""),
        ("date", "2026-05-31"),
        ("text", "3"),
        ("radio", "true"),
        ("radio", "false"),
        ("radio", ""),
        ("radio", "0"),
        ("radio", "1"),
        ("checkbox", "0"),
        ("checkbox", "1"),
    ]
    chosen = [node for node in page.walk() if {"checked", "selected"} & node.attributes.keys()]
    assert [node.attributes["value"] for node in chosen] == ["false", "1", "0", "2"]
    assert {n.attributes.get("form") for n in page.walk() if "name" in n.attributes} == {"answer"}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://orchard.example/x", "orchard.example"),
        ("http://user@evil.example\\@good.example/", ""),
        ("https://good.example@b\u00fccher.example/", "xn--bcher-kva.example"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//orchard.example/", ""),
        ("", ""),
    ],
)
def test_only_an_address_of_the_web_is_a_link(url: str, host: str) -> None:
    page = rendered(ask_line(mode="url", url=url, elicitation_id="e"))
    links = [node.attributes for node in page.walk() if node.tag == "a"]
    own = [each for each in links if each.get("target") == "_blank"]
    assert [each["href"] for each in own] == ([url] if host else [])
    assert url in page.text
    assert all(each["rel"] == "noopener noreferrer" for each in own)
    assert not host or f"Open {host}" in page.text


def test_hostile_words_are_text_in_every_part() -> None:
    choices = {"enum": [HOSTILE], "enumNames": [HOSTILE]}
    asked = ask_line(
        mcp_server_name=HOSTILE,
        message=HOSTILE,
        title=HOSTILE,
        display_name=HOSTILE,
        description=HOSTILE,
        requested_schema={
            "properties": {
                HOSTILE: {"type": "string", "title": HOSTILE, "default": HOSTILE, "x": HOSTILE},
                "b": {"type": "string", "description": HOSTILE, **choices},
                "c": {"enum": [HOSTILE, *range(20)]},
                "d": {"default": HOSTILE, "type": HOSTILE},
            },
            "song": HOSTILE,
        },
        extra=HOSTILE,
    )
    for lines in ([asked], [asked, answer("accept", b=HOSTILE)]):
        page = rendered(*lines)
        assert [node.tag for node in page.walk() if node.tag in ("img", "script")] == []
        assert not any(name.startswith("on") for n in page.walk() for name in n.attributes)
        shown = page.text
        for field in page.walk():
            if field.tag == "textarea":  # what is in it is the default, as it is
                shown = shown.replace(field.text, "")
        assert "\u202e" not in shown
    assert page.text.count("49") == 0


def test_what_is_not_understood_is_shown() -> None:
    page = rendered(
        ask_line(
            mode="dance", song={"la": 1}, requested_schema={"properties": {"a": {"frob": "nicate"}}}
        )
    )
    for words in ("dance", '"la": 1', "nicate", "As JSON"):
        assert words in page.text


def test_free_text_that_was_sent_is_shown_nowhere() -> None:
    asked = form(key={"type": "string"}, fruit={"type": "string", **NAMED}, pin={"type": "integer"})
    block = block_of(asked, answer("accept", key=SECRET, fruit="p", pin=471147))
    page = str(rendered(asked, answer("accept", key=SECRET, fruit="p", pin=471147)))
    assert "Pears" in page
    for text in (page, to_markdown.source(block), *map(str, search.find([block], "Well"))):
        assert SECRET not in text.replace(str(block.answer), "")
        assert "471147" not in text.replace(str(block.answer), "")
    assert list(search.find([block], SECRET)) == []
    assert to_markdown.source(block) == "*orchard asked: accepted*"
    assert [hit.where for hit in search.find([block], "well")] == ["orchard, asked"]


def test_a_row_of_a_list_shows_a_short_choice_or_a_confirmation_whole() -> None:
    def brief(asked: ElicitationRequest, message: str = "Well?") -> Any:
        return brief_elicitation(of_schema(asked.schema, message=message))

    choice = brief(request(f_=NAMED))
    assert choice.choices == (("0", "Apples"), ("1", "Pears"))
    assert brief(request(f_={"type": "boolean"})).choices == (("true", "Yes"), ("false", "No"))
    assert brief(request()).choices == ()
    assert brief(request(f_=NAMED), "x" * 301) is None
    for schema in (
        {"type": "string"},
        {**NAMED, "default": "a"},
        {**NAMED, "description": "More"},
        {"enum": list(range(6))},
        {"type": "array", "items": NAMED},
    ):
        assert brief(request(f_=schema)) is None, schema
    assert brief(request(f=NAMED)) is None, "it may be left out"
    assert brief(request(f_=NAMED, g_=NAMED)) is None
    page = of_schema({}, message="Well?", mode="url", url="https://a.example/")
    assert brief_elicitation(page) is None


@given(anything)
def test_no_schema_breaks_the_card(schema: object) -> None:
    asked = of_schema({"properties": {"f": schema}})
    json.dumps([field.hint for field in elicitation_of(asked).fields])
    brief_elicitation(asked)
    assert labels(rendered(form(f=schema))) == ["Accept", "Decline", "Cancel"]
