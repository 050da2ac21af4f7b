"""The description of the API, OpenAPI 3.1, rendered from the declared endpoints."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from flask import Response, render_template
from pydantic import TypeAdapter

from opcode_htmx.api.schema import responses
from opcode_htmx.web.origin.cors import API_FOLDERS
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.envelope import JSON

VERSION = "1"

ALWAYS = {
    401: "User and password are missing or wrong.",
    421: "The server is not known under the name in Host.",
    429: "Too many failed logins: wait.",
}
UNSAFE = {403: "The request came from the page of another origin, or without its token."}
QUERY = {422: "What stands behind the ? cannot be used."}
BODY = {
    400: "The body is not valid JSON.",
    413: "The body is too large.",
    415: "The body is not declared as application/json.",
    422: "The body, or what it asks for, cannot be used.",
}
EXAMPLES = {
    "project_id": "-home-me-work-orchard",
    "session_id": "7c2f1d9e-4b3a-4c8e-9d21-5f6a7b8c9d0e",
    "either_id": "7c2f1d9e-4b3a-4c8e-9d21-5f6a7b8c9d0e",
}
"""Of the parameters in the paths."""

TAG = "Description"

_REF = "#/components/schemas/{model}"
_FAILURE = {"$ref": _REF.format(model="Failure")}


class Description:
    """The description of some endpoints, and of those that serve it."""

    def __init__(self, described: Iterable[Endpoint], base_path: str = "") -> None:
        self.endpoints = (*described, *self._own())
        self._base_path = base_path

    def _own(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/openapi.json",
                tag=TAG,
                summary="This description",
                handler=lambda: Response(self._text, mimetype=JSON),
                response=dict[str, responses.JsonValue],
                media=(JSON,),
            ),
            Endpoint(
                method="GET",
                path="/api/docs",
                tag=TAG,
                summary="This description as a page",
                handler=lambda: Response(self._page(API_FOLDERS), mimetype="text/html"),
                response=str,
                media=("text/html",),
            ),
            Endpoint(
                method="GET",
                path="/mgmt/docs",
                tag=TAG,
                summary="The endpoints for repositories and resources as a page",
                handler=lambda: Response(self._page("/mgmt/"), mimetype="text/html"),
                response=str,
                media=("text/html",),
            ),
        )

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = render(self.endpoints)
        return document | {"servers": [{"url": self._base_path}]} if self._base_path else document

    @cached_property
    def _text(self) -> str:
        return json.dumps(self.document, ensure_ascii=False)

    def _page(self, below: str | tuple[str, ...]) -> str:
        """The page of the endpoints whose paths begin like this."""
        shown = [each for each in self.endpoints if each.path.startswith(below)]
        tags = dict.fromkeys(each.tag for each in shown)
        return render_template(
            "api.html",
            groups=[(tag, [each for each in shown if each.tag == tag]) for tag in tags],
            title=self.document["info"]["title"],
        )


def render(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
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
            "success, data and error; docs/api.md describes the sockets.",
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
        inputs.append(((each, "response"), "serialization", TypeAdapter(each.response)))
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
        "operationId": each.name,
        "tags": [each.tag],
        "summary": each.summary,
        "parameters": [*_in_path(each), *_in_query(each)],
        "responses": {str(status): answers[status] for status in sorted(answers)},
    }
    if each.description:
        operation["description"] = each.description
    if each.body:
        content = {JSON: {"schema": schemas[each, "body"]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _content(text: str, each: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    schema = schemas[each, "response"]
    if not each.media:
        schema = {
            "type": "object",
            "properties": {
                "success": {"const": True},
                "data": schema,
                **each.details,
                "error": {"type": "null"},
            },
            "required": ["success", "data", "error"],
            "additionalProperties": False,
        }
    types = each.media or (JSON,)
    return {"description": text, "content": {type_: {"schema": schema} for type_ in types}}


def _in_path(each: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 0} if each.numbered else {"type": "string"},
            **({"example": EXAMPLES[name]} if name in EXAMPLES else {}),
        }
        for name in each.parameters
    ]


def _in_query(each: Endpoint) -> list[dict[str, Any]]:
    if each.query is None:
        return []
    model = each.query.model_json_schema()
    required, named = model.get("required", []), model.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": schema.pop("description", ""),
            "schema": _of_text(schema, named),
        }
        for name, schema in model["properties"].items()
    ]


def _of_text(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out is null to us, but nobody can write null in a query string.

    `named` are the definitions of its model, to which no reference leads from a parameter.
    """
    kinds = [kind for kind in schema.pop("anyOf", []) if kind.get("type") != "null"]
    schema = {**schema, **(kinds[0] if len(kinds) == 1 else {})}
    if reference := schema.pop("$ref", ""):
        schema = {**named[reference.removeprefix("#/$defs/")], **schema}
    return {name: value for name, value in schema.items() if (name, value) != ("default", None)}
