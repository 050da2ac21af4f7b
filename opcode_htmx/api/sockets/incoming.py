"""The messages of socket clients, parsed and checked; what is wrong is one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.bounded_json import TooDeep
from opcode_htmx.lib.coerce import DEEPEST
from opcode_htmx.web.rest.invalid_request import InvalidRequest
from opcode_htmx.web.rest.validation import validated

M = TypeVar("M", bound=BaseModel)


def object_in(text: str | bytes) -> dict[str, Any]:
    """The JSON object in a message. Raises InvalidRequest."""
    message = value_in(text)
    if not isinstance(message, dict):
        raise InvalidRequest("A message is a JSON object.")
    return message


def value_in(text: str | bytes) -> object:
    """The JSON value in a message. Raises InvalidRequest, also for NaN, which browsers refuse."""
    try:
        value: object = bounded_json.loads(text, DEEPEST)
        json.dumps(value, allow_nan=False)
    except TooDeep as error:
        raise InvalidRequest(f"This message cannot be used. {error}") from None
    except ValueError:
        raise InvalidRequest("This is not JSON.") from None
    return value


def one_of(models: Mapping[str, type[M]], named_by: str, message: dict[str, Any]) -> M:
    """A message as the model that one of its fields names. Raises InvalidRequest."""
    name = message.get(named_by)
    model = models.get(name) if isinstance(name, str) else None
    if model is None:
        raise InvalidRequest(f"“{named_by}” must be one of {', '.join(models)}.")
    return validated(model, message)
