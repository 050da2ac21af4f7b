"""The description of the API, OpenAPI 3.1, made from the table of endpoints and the models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from flask import Blueprint, Response, render_template
from pydantic import TypeAdapter

from opcode_htmx.api.schema import responses
from opcode_htmx.api.schema.endpoints import (
    BODY,
    ENDPOINTS,
    EXAMPLES,
    Endpoint,
)
from opcode_htmx.api.schema.envelope import JSON

VERSION = "1"

ALWAYS = {
    401: "User and password are missing or wrong.",
    421: "The server is not known under the name in Host.",
    429: "Too many failed logins: wait.",
}
UNSAFE = {403: "The request came from the page of another origin, or without its token."}
QUERY = {422: "What stands behind the ? cannot be used."}

_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"{(\w+)}")
_WORD = re.compile(r"[A-Za-z]+")
_FAILURE = {"$ref": _REF.format(model="Failure")}


def blueprint() -> Blueprint:
    api = Blueprint("api_description", __name__, url_prefix="/api")

    @api.get("/openapi.json")
    def openapi() -> Response:
        return Response(_text(), mimetype=JSON)

    @api.get("/docs")
    def docs() -> str:
        tags = dict.fromkeys(each.tag for each in ENDPOINTS)
        return render_template(
            "api.html",
            groups=[(tag, [each for each in ENDPOINTS if each.tag == tag]) for tag in tags],
            title=describe(ENDPOINTS)["info"]["title"],
        )

    return api


@cache
def _text() -> str:
    return json.dumps(describe(ENDPOINTS), ensure_ascii=False)


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """An OpenAPI document. Pure."""
    endpoints = tuple(endpoints)
    schemas, components = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "opcode-htmx",
            "version": VERSION,
            "description": "Start, follow and steer Claude Code. Every answer is an object with "
            "success, data and error; docs/api.md tells of the sockets.",
        },
        "security": [{"basic": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
    }


_Key = tuple[Endpoint | None, str]
_Schemas = dict[_Key, dict[str, Any]]


def _schemas(endpoints: tuple[Endpoint, ...]) -> tuple[_Schemas, dict[str, Any]]:
    """The schemas of what each endpoint gives and takes, and the named ones they refer to."""
    inputs: list[tuple[_Key, Any, TypeAdapter[Any]]] = [
        ((None, "failure"), "serialization", TypeAdapter(responses.Failure))
    ]
    for each in endpoints:
        inputs.append(((each, "data"), "serialization", TypeAdapter(each.data)))
        for part, model in (("body", each.body), ("query", each.query)):
            if model:
                inputs.append(((each, part), "validation", TypeAdapter(model)))
    keyed = {number: key for number, (key, _, _) in enumerate(inputs)}
    found, named = TypeAdapter.json_schemas(
        [(number, mode, adapter) for number, (_, mode, adapter) in enumerate(inputs)],
        ref_template=_REF,
    )
    by_key = {keyed[number]: schema for (number, _), schema in found.items()}
    return by_key, named.get("$defs", {})


def _operation(each: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    refusals = dict(ALWAYS)
    if each.method != "GET":
        refusals |= UNSAFE
    if each.query:
        refusals |= QUERY
    if each.body:
        refusals |= BODY
    refusals |= each.refusals
    answers = {} if each.refused else {each.status: _content("It succeeded.", each, schemas)}
    if each.refused:
        refusals[405] = each.refused
    for status, text in refusals.items():
        answers[status] = {"description": text, "content": {JSON: {"schema": _FAILURE}}}
    operation: dict[str, Any] = {
        "operationId": _name(each),
        "tags": [each.tag],
        "summary": each.summary,
        "parameters": [*_in_path(each), *_in_query(each, schemas)],
        "responses": {str(status): answers[status] for status in sorted(answers)},
    }
    if each.details:
        operation["description"] = each.details
    if each.body:
        content = {JSON: {"schema": schemas[each, "body"]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _content(text: str, each: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    schema = schemas[each, "data"]
    if not each.media:
        schema = {
            "type": "object",
            "properties": {
                "success": {"const": True},
                "data": schema,
                **each.beside,
                "error": {"type": "null"},
            },
            "required": ["success", "data", "error"],
            "additionalProperties": False,
        }
    types = (each.media or JSON, *each.also)
    return {"description": text, "content": {type_: {"schema": schema} for type_ in types}}


def _name(each: Endpoint) -> str:
    words = _WORD.findall(each.path.removeprefix("/api"))
    return "_".join([each.method.lower(), *words])


def _in_path(each: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            **({"example": EXAMPLES[name]} if name in EXAMPLES else {}),
        }
        for name in _PARAMETER.findall(each.path)
    ]


def _in_query(each: Endpoint, schemas: _Schemas) -> list[dict[str, Any]]:
    if each.query is None:
        return []
    model = each.query.model_json_schema()
    required = model.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": schema.pop("description", ""),
            "schema": _of_text(schema),
        }
        for name, schema in model["properties"].items()
    ]


def _of_text(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out is null to us, but nobody can write null behind the `?`."""
    kinds = [kind for kind in schema.pop("anyOf", []) if kind.get("type") != "null"]
    schema = {**schema, **(kinds[0] if len(kinds) == 1 else {})}
    return {name: value for name, value in schema.items() if (name, value) != ("default", None)}
