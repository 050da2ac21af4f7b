"""The JSON envelope of every answer of the API: `{"success", "data", "error"}`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from flask import Response

from opcode_htmx.lib.concurrency.cooperative import yield_to_loop

JSON = "application/json"

PIECE = 64 * 1024
"""Bytes of a streamed list that are sent at once; other greenlets run in between."""


def success(data: object, status: int = 200) -> Response:
    """An answer with `data`, which may hold pydantic models anywhere."""
    return _response({"success": True, "data": data, "error": None}, status)


def failure(sentence: str, status: int, details: Mapping[str, object] | None = None) -> Response:
    """A refusal in one sentence; `details` are further members beside it."""
    return _response({"success": False, "data": None, "error": sentence, **(details or {})}, status)


def conflict(sentence: str, sent: str, current: str, revision: str) -> Response:
    """The refusal of a text for a file that has changed; it holds both texts, so none is lost.

    `revision` identifies the current text; empty if there is no file any more.
    """
    details = {"sent": sent, "current": {"text": current, "revision": revision}}
    return failure(sentence, 409, details)


def streamed_list(
    values: Iterable[bytes], details: Callable[[], Mapping[str, object]] = dict
) -> Iterator[bytes]:
    """The envelope of a success around a list of JSON texts that is never in memory as a whole.

    `details` gives further members; it is called after the last value.
    """
    yield b'{"success":true,"data":['
    piece, size, separator = list[bytes](), 0, b""
    for value in values:
        piece += [separator, value]
        size += len(value) + 1
        separator = b","
        if size >= PIECE:
            yield b"".join(piece)
            piece, size = [], 0
            yield_to_loop()
    members = [f"{json.dumps(name)}:{json.dumps(value)}," for name, value in details().items()]
    piece += [b"],", "".join(members).encode(), b'"error":null}']
    yield b"".join(piece)


def _response(envelope: Mapping[str, object], status: int) -> Response:
    # Imported here, as every start imports this module for refusals
    from pydantic_core import PydanticSerializationError, to_json

    try:
        text: bytes | str = to_json(envelope)
    except PydanticSerializationError:
        # JavaScript cuts strings between surrogates, and half of a pair is no UTF-8.
        text = json.dumps(envelope, default=_jsonable)
    return Response(text, status, mimetype=JSON)


def _jsonable(value: object) -> object:
    """A value that `json` does not know. Models keep names that UTF-8 cannot hold."""
    from pydantic import BaseModel
    from pydantic_core import to_jsonable_python

    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    return to_jsonable_python(value)
