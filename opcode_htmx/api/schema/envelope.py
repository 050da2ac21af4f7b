"""The form of every answer, `{"success", "data", "error"}`, and the bodies of requests.

An error becomes an answer of this form in web/http/errors.py.
"""

from __future__ import annotations

import json
from typing import TypeVar

from flask import Response, request
from pydantic import BaseModel, ValidationError
from pydantic_core import (
    ErrorDetails,
    PydanticSerializationError,
    from_json,
    to_json,
    to_jsonable_python,
)
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from opcode_htmx.api.schema.requests import shown
from opcode_htmx.lib.coerce import DEEPEST, is_too_deep

M = TypeVar("M", bound=BaseModel)

JSON = "application/json"
MOST_VALUES = 200_000
"""Of a body; they are read within 20 ms."""
NESTED = f"The body is nested deeper than {DEEPEST} levels."


class InvalidRequest(Exception):
    """What was sent is not what is asked for here; the text says in one sentence what is wrong."""


def answer(data: object, status: int = 200) -> Response:
    """A success; `data` may hold models anywhere."""
    whole = {"success": True, "data": data, "error": None}
    try:
        text: bytes | str = to_json(whole)
    except PydanticSerializationError:
        # JavaScript cuts strings between surrogates, and half of a pair is no UTF-8.
        text = json.dumps(to_jsonable_python(whole))
    return Response(text, status, mimetype=JSON)


def body(model: type[M]) -> M:
    """The JSON body of the request. Raises UnsupportedMediaType, BadRequest or InvalidRequest."""
    if request.mimetype != JSON:
        raise UnsupportedMediaType("Send the body as JSON, with Content-Type: application/json.")
    return checked(model, json_body())


def query(model: type[M]) -> M:
    """What stands behind the `?` of the address. Raises InvalidRequest."""
    return checked(model, request.args.to_dict())


def checked(model: type[M], value: object) -> M:
    """A value as a model. Raises InvalidRequest."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidRequest(sentence(error)) from error


def sentence(error: ValidationError) -> str:
    """What is wrong, for a person: the first thing, and how many more there are."""
    first, *more = error.errors(include_url=False)
    others = f" There are {len(more)} more errors." if len(more) > 1 else ""
    others = " There is one more error." if len(more) == 1 else others
    return _said(first) + others


def json_body() -> object:
    """The value that the request brings, whatever it says of its type.

    Raises RequestEntityTooLarge or BadRequest.
    """
    text = request.get_data()
    # It is read in one go, in which nobody else has a turn
    if text.count(b",") + text.count(b"[") + text.count(b"{") > MOST_VALUES:
        raise RequestEntityTooLarge(f"The body holds more than {MOST_VALUES:,} values.")
    try:
        value: object = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        if "recursion" in str(error):
            raise BadRequest(NESTED) from error
        raise BadRequest(f"The body is not valid JSON: {error}.") from error
    if is_too_deep(value):
        raise BadRequest(NESTED)
    return value


_SAID = {
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


def _said(error: ErrorDetails) -> str:
    place = shown(".".join(str(each) for each in error["loc"]))
    said = _SAID.get(error["type"])
    subject = f"“{place}”" if place else "The body"
    if said:
        return f"{subject} {said}."
    if error["type"] == "value_error":  # our own validators speak in whole sentences
        return str(error.get("ctx", {}).get("error", error["msg"]))
    return f"{subject}: {error['msg'][:1].lower()}{error['msg'][1:]}."
