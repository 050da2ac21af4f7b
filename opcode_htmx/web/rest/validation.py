"""Values that clients send, checked against models; one sentence for each thing that is wrong."""

from __future__ import annotations

from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from opcode_htmx.lib.coerce import DEEPEST, is_too_deep
from opcode_htmx.web.rest.invalid_request import InvalidRequest

M = TypeVar("M", bound=BaseModel)

MOST_VALUES = 200_000
"""Of a body; they are parsed within 20 ms."""
LONGEST_NAME = 100
"""Characters of a client's text that are repeated to it."""
TOO_DEEP = f"The body is nested deeper than {DEEPEST} levels."


def body(model: type[M]) -> M:
    """The JSON body of the request.

    Raises UnsupportedMediaType, RequestEntityTooLarge, BadRequest or InvalidRequest.
    """
    if not request.is_json:
        raise UnsupportedMediaType("Send the body as JSON, with Content-Type: application/json.")
    value = _json_of_body()
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be an object.")
    return validated(model, value)


def query(model: type[M]) -> M:
    """The query string of the request. Raises InvalidRequest."""
    return validated(model, request.args.to_dict())


def validated(model: type[M], value: object) -> M:
    """A value as a model. Raises InvalidRequest."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidRequest(sentence(error)) from error


def sentence(error: ValidationError) -> str:
    """What is wrong first, in one sentence that names the field."""
    first = error.errors(include_url=False)[0]
    field = shown(".".join(str(part) for part in first["loc"]))
    return f"The {f'field “{field}”' if field else 'request'} {_problem(first)}."


def shown(text: str) -> str:
    """A client's text as it can be repeated to it: on one line, and not without end."""
    line = "".join(each if each.isprintable() else "\ufffd" for each in text[: LONGEST_NAME + 1])
    return line if len(line) <= LONGEST_NAME else f"{line[:LONGEST_NAME]}…"


_PROBLEMS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be a list",
}
"""By the type of pydantic's error."""


def _problem(error: ErrorDetails) -> str:
    known = _PROBLEMS.get(error["type"])
    message = error["msg"].removeprefix("Value error, ").rstrip(".")
    return known or f"cannot be used: {message}"


def _json_of_body() -> object:
    text = request.get_data()
    # It is parsed in one go, in which no other greenlet runs
    if text.count(b",") + text.count(b"[") + text.count(b"{") > MOST_VALUES:
        raise RequestEntityTooLarge(f"The body holds more than {MOST_VALUES:,} values.")
    try:
        value: object = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        if "recursion" in str(error):
            raise BadRequest(TOO_DEEP) from error
        raise BadRequest(f"The body is not valid JSON: {error}.") from error
    if is_too_deep(value):
        raise BadRequest(TOO_DEEP)
    return value
