"""Read request bodies so that a large one does not block other requests.

A socket with data to read never yields by itself, and a form of a megabyte takes a second to parse.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any, TypeVar, cast
from urllib.parse import parse_qsl

import flask
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.utils import cached_property

from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, run_cpu_in_thread

MOST_FIELDS = 1000
"""Of a form; the largest of ours has a hundred."""
SMALL_FORM = 16 * 1024
"""Bytes that are parsed within a millisecond or two."""
PIECE = 64 * 1024

View = TypeVar("View", bound=Callable[..., Any])


def accepts_up_to(size: int) -> Callable[[View], View]:
    """Mark a view that takes bodies of up to `size` bytes, more than others do."""

    def mark(view: View) -> View:
        view.max_body = size  # type: ignore[attr-defined]
        return view

    return mark


def register(app: flask.Flask) -> None:
    """Use this way of reading bodies. To be registered before anything that reads a form."""
    app.request_class = Request

    @app.before_request
    def allow_large_body() -> None:
        view = app.view_functions.get(flask.request.endpoint or "")
        size = getattr(view, "max_body", None)
        if size is not None:
            flask.request.max_content_length = size


class Body(io.RawIOBase):
    """A body, read in pieces; other greenlets run in between.

    Raises RequestEntityTooLarge beyond `limit` bytes, and ClientDisconnected where it ends before
    its `length`: half of a form must not pass for a whole one.
    """

    def __init__(self, inner: IO[bytes], length: int | None, limit: int | None) -> None:
        self._inner = inner
        self._length = length
        self._limit = limit
        self._read = 0
        self._slicer = TimeSlicer()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        most = min(len(buffer), PIECE)
        if self._length is not None:
            most = min(most, self._length - self._read)
        if most <= 0:
            return 0
        self._slicer.step()
        try:
            data = self._inner.read(most)
        except (OSError, ValueError) as error:
            raise ClientDisconnected from error
        if not data and self._length is not None:
            raise ClientDisconnected
        self._read += len(data)
        if self._limit is not None and self._read > self._limit:
            raise RequestEntityTooLarge
        buffer[: len(data)] = data
        return len(data)


class FormParser(FormDataParser):
    """Parses large forms in a thread, and refuses too many fields."""

    def parse(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> tuple[IO[bytes], Any, Any]:
        if mimetype != "application/x-www-form-urlencoded":
            return super().parse(stream, mimetype, content_length, options)
        data = stream.read()
        if data.count(b"&") >= MOST_FIELDS:
            raise RequestEntityTooLarge(f"A form may have {MOST_FIELDS} fields.")
        pairs = _pairs(data) if len(data) <= SMALL_FORM else run_cpu_in_thread(_pairs, data)
        return stream, self.cls(pairs), self.cls()


def _pairs(data: bytes) -> list[tuple[str, str]]:
    """Names and values; invalid UTF-8 is replaced."""
    return parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")


class Request(flask.Request):
    form_data_parser_class = FormParser
    max_form_parts = MOST_FIELDS

    @cached_property
    def stream(self) -> IO[bytes]:
        length, limit = self.content_length, self.max_content_length
        if length is not None and limit is not None and length > limit:
            raise RequestEntityTooLarge
        inner: IO[bytes] = self.environ["wsgi.input"]
        if length is None and not self.environ.get("wsgi.input_terminated"):
            inner = io.BytesIO()  # without a length it would be read for ever
        return cast(IO[bytes], Body(inner, length, limit))
