"""Read the fields of a form from the JSON schema of an MCP server's question. Pure.

A field of a kind that is not known here is one for JSON, and parts of its schema that nothing here
follows are kept, to be shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from opcode_htmx.engines.messages import ElicitationRequest
from opcode_htmx.lib.coerce import Json, as_dict, as_list, as_str
from opcode_htmx.lib.dataclass import dataclass

MOST_FIELDS = 200
"""Of a form; those beyond them are not asked for."""
MOST_CHOICES = 1000
"""Of a field; one with more is typed."""
LONGEST_TITLE, LONGEST_DESCRIPTION = 300, 5000
"""Characters of a field."""


class FieldKind(StrEnum):
    TEXT = "text"
    EMAIL = "email"
    URI = "uri"
    DATE = "date"
    DATE_TIME = "date-time"
    INTEGER = "integer"
    NUMBER = "number"
    YES_NO = "boolean"
    CHOICE = "choice"
    CHOICES = "choices"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a field that is chosen from several."""

    value: Any
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form."""

    name: str
    kind: FieldKind
    title: str
    description: str
    is_required: bool
    default: Any
    """None if there is none."""
    choices: tuple[Choice, ...]
    rules: Json
    """The limits that an answer is held to: `minimum`, `maxLength` and the like."""
    other: Json
    """Parts of the schema that nothing here follows."""


def key_of(value: object) -> str:
    """What is equal for equal values of JSON: 1 is not true there."""
    return json.dumps(value, sort_keys=True)


def shortened(text: str, most: int) -> str:
    """A text that a server may have made of any length."""
    return text if len(text) <= most else f"{text[:most]}…"


_FORMATS = {
    each.value: each
    for each in (FieldKind.EMAIL, FieldKind.URI, FieldKind.DATE, FieldKind.DATE_TIME)
}
_NUMBER_RULES = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_RULES: dict[FieldKind, tuple[str, ...]] = {
    FieldKind.TEXT: ("minLength", "maxLength"),
    FieldKind.EMAIL: ("minLength", "maxLength"),
    FieldKind.URI: ("minLength", "maxLength"),
    FieldKind.INTEGER: _NUMBER_RULES,
    FieldKind.NUMBER: _NUMBER_RULES,
    FieldKind.CHOICES: ("minItems", "maxItems"),
}
_DESCRIBED = frozenset({"type", "title", "description", "default"})
_SCHEMA_PARTS = frozenset({"type", "properties", "required", "$schema", "additionalProperties"})


def fields_of(request: ElicitationRequest) -> tuple[Field, ...]:
    """The fields of the form, in the server's order."""
    properties = as_dict(request.schema.get("properties"))
    required = {each for each in as_list(request.schema.get("required")) if isinstance(each, str)}
    order = dict.fromkeys([*request.property_order, *properties])
    # what is required and not described has to be given all the same
    names = [name for name in order if name in properties]
    names += sorted(required - properties.keys())
    names = names[:MOST_FIELDS]
    return tuple(_field(name, properties.get(name), name in required) for name in names)


def others_of(request: ElicitationRequest) -> Json:
    """The parts of the request and of its schema that the form does not show."""
    schema = {name: it for name, it in request.schema.items() if name not in _SCHEMA_PARTS}
    if request.mode == "url" and request.schema:
        schema = request.schema
    found = {**request.other, **({"schema": schema} if schema else {})}
    if (more := len(as_dict(request.schema.get("properties"))) - MOST_FIELDS) > 0:
        found["fields that are left out"] = more
    return {"mode": request.mode, **found} if request.mode not in ("form", "url") else found


def _field(name: str, value: object, is_required: bool) -> Field:
    schema = as_dict(value)
    kind, choices, used = _kind_of(schema)
    rules = {rule: schema[rule] for rule in _rules_in(schema, kind)}
    # where JSON is entered, its type says what is expected
    described = _DESCRIBED - ({"type"} if kind is FieldKind.JSON else set())
    is_described = bool(schema) or value in ({}, True, None)
    return Field(
        name=name,
        kind=kind,
        title=shortened(as_str(schema.get("title")) or name, LONGEST_TITLE),
        description=shortened(as_str(schema.get("description")), LONGEST_DESCRIPTION),
        is_required=is_required,
        default=schema.get("default"),
        choices=choices,
        rules=rules,
        other={
            part: each
            for part, each in schema.items()
            if part not in described | used | rules.keys()
        }
        if is_described
        else {"schema": value},
    )


def _kind_of(schema: Json) -> tuple[FieldKind, tuple[Choice, ...], frozenset[str]]:
    """The kind of a field, its choices, and the parts of its schema that say so."""
    choices, used = _choices_of(schema)
    types = schema.get("type")
    named = [each for each in (types if isinstance(types, list) else [types]) if each != "null"]
    type_ = named[0] if len(named) == 1 else None
    if choices and type_ != "array":
        return FieldKind.CHOICE, choices, used
    match type_:
        case "string":
            kind = _FORMATS.get(as_str(schema.get("format")))
            return kind or FieldKind.TEXT, (), frozenset({"format"} if kind else ())
        case "integer":
            return FieldKind.INTEGER, (), frozenset()
        case "number":
            return FieldKind.NUMBER, (), frozenset()
        case "boolean":
            return FieldKind.YES_NO, (), frozenset()
        case "array":
            items = as_dict(schema.get("items"))
            choices, used = _choices_of(items)
            if choices and not items.keys() - used - {"type"}:
                return FieldKind.CHOICES, choices, frozenset({"items"})
        case _:
            pass
    return FieldKind.JSON, (), frozenset()


def _choices_of(schema: Json) -> tuple[tuple[Choice, ...], frozenset[str]]:
    for part in ("oneOf", "anyOf"):
        items = as_list(schema.get(part))
        if 0 < len(items) <= MOST_CHOICES and all(
            isinstance(each, dict) and "const" in each for each in items
        ):
            found = ((each["const"], as_str(each.get("title"))) for each in items)
            return tuple(_choices(found)), frozenset({part})
    values = as_list(schema.get("enum"))
    if 0 < len(values) <= MOST_CHOICES:
        names = list(map(as_str, as_list(schema.get("enumNames"))))
        names += [""] * (len(values) - len(names))
        choices = _choices(zip(values, names, strict=False))
        return tuple(choices), frozenset({"enum", "enumNames"})
    return (), frozenset()


def _choices(found: Iterable[tuple[Any, str]]) -> Iterator[Choice]:
    for value, label in found:
        yield Choice(value, label or (value if isinstance(value, str) else str(value)))


def _rules_in(schema: Json, kind: FieldKind) -> Iterator[str]:
    """The limits that are of the right type; others are shown as they are."""
    for rule in _RULES.get(kind, ()):
        value: Any = schema.get(rule)
        if is_number(value):
            yield rule


def is_number(value: object) -> bool:
    """Whether it is a finite number. One of 400 digits is, and has no `math.isfinite`."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)
