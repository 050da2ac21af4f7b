"""Answers to MCP servers' questions: read from forms, and checked against the schema."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.messages import ElicitationRequest
from opcode_htmx.rendering.asks.elicitations import elicitation_of
from opcode_htmx.runs.elicitation.fields import MOST_FIELDS, FieldKind, fields_of, others_of
from opcode_htmx.runs.elicitation.values import InvalidContent, checked, read_form
from tests.runs.model.run_lines import line

NAMED = {"enum": ["a", "p"], "enumNames": ["Apples", "Pears"]}
TITLED = [{"const": "a", "title": "Apples"}, {"const": 2, "title": "Two"}]
PARTS = """type enum enumNames oneOf anyOf const title items format minimum maximum default
    minLength maxItems properties required"""


def request(**properties: object) -> ElicitationRequest:
    """A form of these fields; those whose names end in `_` are required."""
    required = [name for name in properties if name.endswith("_")]
    return of_schema({"type": "object", "properties": properties, "required": required})


def of_schema(schema: object, **fields: object) -> ElicitationRequest:
    asked = {"subtype": "elicitation", "mcp_server_name": "m", "requested_schema": schema}
    message = parser.parse(line("control_request", request_id="r", request={**asked, **fields}))
    assert isinstance(message, ElicitationRequest)
    return message


def problem(schema: object, value: object, *, name: str = "f_") -> str:
    try:
        checked(request(**{name: schema}), {name: value})
    except InvalidContent as error:
        return error.problems[name]
    return ""


@pytest.mark.parametrize(
    ("schema", "kind", "labels"),
    [
        ({"type": "string"}, FieldKind.TEXT, []),
        ({"type": ["string", "null"]}, FieldKind.TEXT, []),
        ({"type": "string", "format": "email"}, FieldKind.EMAIL, []),
        ({"type": "string", "format": "uri"}, FieldKind.URI, []),
        ({"type": "string", "format": "date"}, FieldKind.DATE, []),
        ({"type": "string", "format": "date-time"}, FieldKind.DATE_TIME, []),
        ({"type": "integer"}, FieldKind.INTEGER, []),
        ({"type": "number"}, FieldKind.NUMBER, []),
        ({"type": "boolean"}, FieldKind.YES_NO, []),
        ({"type": "string", **NAMED}, FieldKind.CHOICE, ["Apples", "Pears"]),
        ({"type": "string", "enum": ["a"], "enumNames": 3}, FieldKind.CHOICE, ["a"]),
        ({"oneOf": TITLED}, FieldKind.CHOICE, ["Apples", "Two"]),
        ({"type": "array", "items": {"anyOf": TITLED}}, FieldKind.CHOICES, ["Apples", "Two"]),
        ({"type": "array", "items": {"type": "string", **NAMED}}, FieldKind.CHOICES, None),
        ({"type": "array", "items": {"type": "string"}}, FieldKind.JSON, []),
        ({"type": "object", "properties": {}}, FieldKind.JSON, []),
        ({"oneOf": [{"type": "string"}]}, FieldKind.JSON, []),
        (True, FieldKind.JSON, []),
        ("odd", FieldKind.JSON, []),
    ],
)
def test_each_schema_has_its_kind_of_field(
    schema: object, kind: FieldKind, labels: list[str] | None
) -> None:
    (field,) = fields_of(request(f=schema))
    assert field.kind is kind
    if labels is not None:
        assert [choice.label for choice in field.choices] == labels


def test_what_nothing_here_follows_is_kept_to_be_shown() -> None:
    text = {"type": "string", "pattern": "^(a+)+$", "format": "song", "minLength": "x"}
    odd, plain = fields_of(request(odd=text, plain="odd"))
    assert odd.other == {"pattern": "^(a+)+$", "format": "song", "minLength": "x"}
    assert plain.other == {"schema": "odd"}
    asked = of_schema({"properties": {}, "allOf": [1]}, song={"la": 1}, mode="dance")
    assert others_of(asked) == {"mode": "dance", "song": {"la": 1}, "schema": {"allOf": [1]}}


def test_fields_are_in_the_servers_order_and_a_required_one_is_never_missing() -> None:
    schema = {"properties": {"a": {}, "b": {}}, "required": ["c", 3]}
    asked = of_schema(schema, property_order=["b", "gone", "a", "b"])
    assert [(field.name, field.is_required) for field in fields_of(asked)] == [
        ("b", False),
        ("a", False),
        ("c", True),
    ]


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"type": "string"}, " ", "This is needed."),
        ({"type": "string"}, 3, "Use text."),
        ({"type": "string", "minLength": 3}, "ab", "Use at least 3 characters: there are 2."),
        ({"type": "string", "maxLength": 1}, "ab", "Use at most 1 character: there are 2."),
        ({"type": "string", "format": "email"}, "a@b c", "email address"),
        ({"type": "string", "format": "email"}, "a@b.c", ""),
        ({"type": "string", "format": "uri"}, "example.com", "whole address"),
        ({"type": "string", "format": "uri"}, "http://[", "whole address"),
        ({"type": "string", "format": "uri"}, "https://example.com/", ""),
        ({"type": "string", "format": "date"}, "2026-02-30", "Use a date"),
        ({"type": "string", "format": "date"}, "2026-02-28", ""),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:00", "with a time"),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:00:00Z", ""),
        ({"type": "integer"}, 2.5, "Use a whole number."),
        ({"type": "integer"}, True, "Use a whole number."),
        ({"type": "integer"}, 2.0, ""),
        ({"type": "number"}, float("inf"), "Use a number."),
        pytest.param({"type": "number"}, 10**400, "", id="long"),
        pytest.param({"type": "integer", "maximum": 9}, 10**400, "Use 9 or less.", id="too-long"),
        pytest.param({"type": "integer", "minimum": 10**400}, 9, "or more.", id="long-minimum"),
        pytest.param({"type": "string", "maxLength": 10**400}, "ab", "", id="long-maximum"),
        ({"type": "number", "minimum": 0.5}, 0.4, "Use 0.5 or more."),
        ({"type": "number", "maximum": 2}, 3, "Use 2 or less."),
        ({"type": "number", "exclusiveMinimum": 2}, 2, "Use more than 2."),
        ({"type": "number", "exclusiveMaximum": 2}, 2, "Use less than 2."),
        ({"type": "boolean"}, "yes", "Choose Yes or No."),
        ({"enum": [1, "a"]}, True, "Choose one of these."),
        ({"enum": [1, "a"]}, 1, ""),
        ({"type": "array", "items": NAMED, "minItems": 2}, ["a"], "Choose at least 2."),
        ({"type": "array", "items": NAMED, "maxItems": 1}, ["a", "p"], "Choose at most 1."),
        ({"type": "array", "items": NAMED}, ["x"], "Choose from these."),
        ({"type": "object"}, [], "JSON object"),
        ({"type": "array"}, {}, "JSON list"),
        ({}, {"any": "thing"}, ""),
    ],
)
def test_a_value_fits_or_has_a_sentence(schema: object, value: object, words: str) -> None:
    found = problem(schema, value)
    assert words in found
    assert bool(words) == bool(found)


def test_what_was_not_asked_for_or_is_missing_is_refused() -> None:
    with pytest.raises(InvalidContent) as caught:
        checked(request(a_={"type": "string", "title": "The A"}), {"b": 1})
    assert caught.value.problems == {
        "b": "The server has not asked for this.",
        "a_": "This is needed.",
    }
    assert checked(request(a={"type": "string"}), {}) == {}


@pytest.mark.parametrize(
    ("schema", "typed", "value"),
    [
        ({"type": "string"}, ["a\r\nb"], "a\nb"),
        ({"type": "integer"}, [" -12 "], -12),
        ({"type": "number"}, ["1,5"], 1.5),
        ({"type": "boolean"}, ["false"], False),
        ({"oneOf": TITLED}, ["1"], 2),
        ({"type": "array", "items": NAMED}, [], []),
        ({"type": "array", "items": NAMED}, ["0", "1"], ["a", "p"]),
        ({"type": "object"}, ['{"a": [1]}'], {"a": [1]}),
    ],
)
def test_a_form_is_read_as_values(schema: object, typed: list[str], value: object) -> None:
    assert read_form(request(f_=schema), lambda _: typed) == {"f_": value}


@pytest.mark.parametrize(
    ("schema", "typed", "words"),
    [
        ({"type": "integer"}, "1" * 50, "Use a whole number."),
        ({"type": "integer"}, "1.5", "Use a whole number."),
        ({"type": "number"}, "nan", "Use a number."),
        ({"type": "number"}, "١", "Use a number."),
        ({"oneOf": TITLED}, "7", "Choose one of these."),
        ({"oneOf": TITLED}, "Apples", "Choose one of these."),
        ({"type": "object"}, "{", "This is not JSON."),
        ({"type": "object"}, "[" * 500, "This is not JSON."),
        ({"type": "string"}, "x" * 20_001, "longer than 20,000"),
    ],
)
def test_what_cannot_be_read_has_a_sentence_without_it(
    schema: object, typed: str, words: str
) -> None:
    with pytest.raises(InvalidContent) as caught:
        read_form(request(f=schema), lambda _: [typed])
    assert words in caught.value.problems["f"]
    assert typed not in str(caught.value)


def test_a_time_without_a_zone_is_that_of_the_computer() -> None:
    asked = request(f={"type": "string", "format": "date-time"})
    content = read_form(asked, lambda _: ["2026-05-31T10:00"])
    assert content["f"].startswith("2026-05-31T10:00:00")
    assert checked(asked, content) == content


def test_an_optional_field_that_is_empty_is_not_sent() -> None:
    asked = request(a={"type": "string"}, b={"type": "array", "items": NAMED}, c=NAMED)
    assert read_form(asked, lambda _: [""]) == {}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(PARTS.split()),
            inner | st.sampled_from(["string", "integer", "number", "array", "boolean", "date"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(anything, anything, st.text(max_size=8))
def test_no_schema_and_no_answer_is_an_unforeseen_error(
    schema: object, value: object, typed: str
) -> None:
    asked = of_schema({"properties": {"f": schema, "g": {"type": "string"}}, "required": ["f"]})
    try:
        checked(asked, {"f": value})
    except InvalidContent as error:
        assert all(error.problems.values())
    try:
        read_form(asked, lambda _: [typed])
    except InvalidContent as error:
        assert all(error.problems.values())


def test_form_of_any_size_is_shown_and_checked_in_a_moment() -> None:
    values = [f"v{number}" for number in range(100_000)]
    asked = (
        request(a={"type": "array", "items": {"enum": values}, "default": values}),
        request(a_={"enum": values, "title": "x" * 1_000_000}),
        request(**{f"f{number}": {"title": "x" * 1000} for number in range(20_000)}),
        request(a={"type": "array", "items": {"enum": values[:1000]}, "default": values[:1000]}),
    )
    begun = time.thread_time()
    for each in asked:
        shown = elicitation_of(each)
        assert len(shown.fields) <= MOST_FIELDS
        assert sum(len(field.other) + len(field.field.title) for field in shown.fields) < 100_000
    assert checked(asked[0], {"a": values}) == {"a": values}
    assert checked(asked[3], {"a": values[:1000]})
    assert time.thread_time() - begun < 3
    assert "19800" in elicitation_of(asked[2]).other, "how many fields are left out"
