"""Set the security and caching headers of every response, and hash static files."""

from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request, url_for

from opcode_htmx.web.assets.static_files import StaticFiles
from opcode_htmx.web.origin import hosts

_NO_DOCUMENTS = frozenset({"text/css", "text/javascript"})
"""A policy has no effect on these, and would be sent with each of them."""

_PERMISSIONS = "camera=(), geolocation=(), microphone=(self), payment=(), usb=()"
"""The microphone is for dictation (static/dictation.js); the browser asks the person first."""


def register(app: Flask, files: StaticFiles | None = None) -> None:
    """Add the headers to every response and the template global `asset(name)`.

    Without `files` the static files are those in the app's own static folder.
    """
    files = files or StaticFiles(Path(app.static_folder or "static"))
    hash_of = files.hash_of

    def asset(name: str) -> str:
        """The address of a static file, with the hash of its content so that it may be cached."""
        return _address(request.script_root, name, hash_of(name))

    def add_headers(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if response.mimetype not in _NO_DOCUMENTS:
            headers.setdefault("Content-Security-Policy", content_security_policy())
            headers.setdefault("Referrer-Policy", "same-origin")
            headers.setdefault("Permissions-Policy", _PERMISSIONS)
        if request.endpoint == "static" and response.status_code < 400:
            name = (request.view_args or {}).get("filename", "")
            versioned = request.args.get("v") == hash_of(name)
            age = "max-age=31536000, immutable" if versioned else "no-cache"
            headers["Cache-Control"] = f"private, {age}"
        else:
            headers.setdefault("Cache-Control", "private, no-store")
        return response

    app.add_template_global(asset, "asset")
    app.after_request(add_headers)


@lru_cache(maxsize=512)
def _address(_script_root: str, name: str, digest: str) -> str:
    """Of a static file. It is kept: a page has twenty, and to build one takes 0.1 ms."""
    return url_for("static", filename=name, v=digest)


def content_security_policy() -> str:
    """Only this server's own files; the socket is named for WebKit, whose 'self' omits it."""
    host = request.environ.get("HTTP_HOST", "")
    socket = f" ws://{host} wss://{host}" if hosts.host_name(host) else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self'{socket}; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; manifest-src 'self'"
    )
