"""Serve the app below a base path (OPCODE_BASE_PATH), such as /opcode, behind a shared host name.

The prefix arrives with each request and goes into SCRIPT_NAME, so `url_for` builds prefixed
addresses and `request.path` is without it. Code that builds an address in another way uses the
functions here; templates have `base_path`, `own_path()` and `own_full_path()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, has_request_context, request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HEADERS = [
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "private, no-store"),
]


class Mount:
    """A WSGI application below `base_path`; other addresses are answered with 404."""

    def __init__(self, app: WSGIApplication, base_path: str) -> None:
        self._app = app
        self._base = base_path
        self._below = f"{base_path}/"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(self._below):
            environ["SCRIPT_NAME"] = self._base
            environ["PATH_INFO"] = path[len(self._base) :]
            return self._app(environ, start_response)
        if path == self._base and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            query = environ.get("QUERY_STRING", "")
            target = f"{self._below}?{query}" if query else self._below
            return self._answer(
                "308 Permanent Redirect", "", [("Location", target)], start_response
            )
        sentence = f"There is nothing at this address: the app is served below {self._below}.\n"
        return self._answer("404 Not Found", sentence, [], start_response)

    @staticmethod
    def _answer(
        status: str, text: str, more: list[tuple[str, str]], start_response: StartResponse
    ) -> Iterable[bytes]:
        body = text.encode()
        start_response(status, [*_HEADERS, ("Content-Length", str(len(body))), *more])
        return [body]


def register(app: Flask, base_path: str) -> None:
    """Serve an app below `base_path`, unless it is empty, and add the template globals.

    To be called after everything else that wraps the app.
    """
    more: dict[str, str | Callable[..., Any]] = {
        "base_path": base_path,  # also for what is rendered outside of a request
        "own_path": own_path,
        "own_full_path": own_full_path,
    }
    app.jinja_env.globals.update(more)
    if base_path:
        app.wsgi_app = Mount(app.wsgi_app, base_path)  # type: ignore[method-assign]


def base_path() -> str:
    """The base path of the current request; empty without one, and outside of a request."""
    return request.script_root if has_request_context() else ""


def start_page() -> str:
    """The address of the first page."""
    return f"{base_path()}/"


def cookie_path() -> str:
    """The path of cookies for all pages, so that no neighbour under the same name gets them."""
    return base_path() or "/"


def cookie_name(name: str) -> str:
    """The name of a cookie of this server: cookies are shared by all ports of a host."""
    _, colon, port = request.host.rpartition(":")
    return f"{name}_{port}" if colon and port.isdigit() else name


def own_path() -> str:
    """The path of the requested page as the browser has it."""
    return f"{request.script_root}{request.path}"


def own_full_path() -> str:
    """The same, with its query."""
    return f"{request.script_root}{request.full_path}".rstrip("?")


def inner_path(path: str) -> str | None:
    """A path as the routes have it, without the base path; None for one that lies outside."""
    base = base_path()
    if not base:
        return path
    return path[len(base) :] if path.startswith(f"{base}/") else None
