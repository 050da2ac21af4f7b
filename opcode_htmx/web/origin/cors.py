"""Let pages of other origins read the API, if OPCODE_ALLOWED_ORIGINS names them; no others.

Credentials that a browser has stored are never requested: such a page sends its own. gate.py
decides which requests are accepted.
"""

from __future__ import annotations

from flask import Response, request

API_FOLDERS = ("/api/", "/mgmt/")
"""Where the addresses for programs begin."""
METHODS = "GET, HEAD, POST, PUT, DELETE"
HEADERS = "Authorization, Content-Type, X-CSRF-Token"
_KEPT_SECONDS = 600


def is_api() -> bool:
    """Whether the request is for programs: it is answered in JSON, and may be shared."""
    return request.path.startswith(API_FOLDERS)


def is_preflight() -> bool:
    """Whether a browser asks, before a request, whether a page may send it."""
    return (
        request.method == "OPTIONS"
        and is_api()
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
    )


def preflight(allowed: str | None) -> Response:
    """The response to it; `allowed` is the origin that asks, if it may. `share` adds the rest."""
    response = Response(status=204)
    if allowed:
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = HEADERS
        response.headers["Access-Control-Max-Age"] = str(_KEPT_SECONDS)
    return response


def share(response: Response, allowed: str | None) -> None:
    """Let the pages of an origin read the response."""
    response.vary.add("Origin")
    if allowed:
        response.headers["Access-Control-Allow-Origin"] = allowed
        response.headers["Access-Control-Expose-Headers"] = "Location, Retry-After"
