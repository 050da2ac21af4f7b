"""Responses that are valid UTF-8, whatever names and texts they contain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Flask, Response
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.lib.surrogates import encoded

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Utf8Response(Response):
    """A response in which U+FFFD replaces what UTF-8 cannot encode."""

    @classmethod
    def force_type(
        cls, response: BaseResponse, environ: WSGIEnvironment | None = None
    ) -> BaseResponse:
        """Leave subclasses as they are: that of the sockets ends its request in its own way."""
        if isinstance(response, Response) and type(response) is not Response:
            return response
        return super().force_type(response, environ)

    def set_data(self, value: bytes | str) -> None:
        super().set_data(encoded(value) if isinstance(value, str) else value)

    def iter_encoded(self) -> Iterator[bytes]:
        for piece in self.response:
            yield encoded(piece) if isinstance(piece, str) else piece


def register(app: Flask) -> None:
    app.response_class = Utf8Response
