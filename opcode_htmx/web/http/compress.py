"""Compress text responses with gzip; streams, sockets and small answers pass untouched."""

import gzip
from functools import lru_cache

from flask import Flask, Response, request

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread

MINIMUM = 1024  # bytes; below this the header costs more than compression saves
LARGE = 200_000
_TEXT = frozenset(
    {"application/javascript", "application/json", "application/manifest+json", "image/svg+xml"}
)


def register(app: Flask) -> None:
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if not _is_text(response.mimetype or "") or "Upgrade" in request.headers:
        return response
    static = request.endpoint == "static"
    if response.is_streamed and not static:
        return response
    response.vary.add("Accept-Encoding")
    if (
        response.status_code in {204, 206, 304}
        or request.method == "HEAD"
        or "Content-Encoding" in response.headers
        or request.accept_encodings["gzip"] <= 0
    ):
        return response
    response.direct_passthrough = False
    body = response.get_data()
    if len(body) < MINIMUM:
        return response
    json = response.mimetype == "application/json"
    pack = _best if static else _repeated if json else _quick
    # The terminal's script takes 0.1 s
    response.set_data(run_cpu_in_thread(pack, body) if len(body) > LARGE else pack(body))
    response.headers["Content-Encoding"] = "gzip"
    etag, _ = response.get_etag()
    if etag:
        # The bytes differ from those of the plain file, so the tag holds only in its weak form.
        response.set_etag(etag, weak=True)
    return response


def _is_text(mimetype: str) -> bool:
    return mimetype.startswith("text/") or mimetype in _TEXT


def _quick(body: bytes) -> bytes:
    return gzip.compress(body, 5, mtime=0)


@lru_cache(maxsize=4)
def _repeated(body: bytes) -> bytes:
    """A client that polls a list of the API gets the same list nearly every time."""
    return _quick(body)


@lru_cache(maxsize=32)
def _best(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)
