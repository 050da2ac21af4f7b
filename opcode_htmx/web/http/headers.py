"""Set the security and caching headers of every response, and hash static files."""

from pathlib import Path

from flask import Flask, Response, request

from opcode_htmx.web.assets import page_styles
from opcode_htmx.web.assets.page_styles import PageStyles
from opcode_htmx.web.assets.static_files import StaticFiles
from opcode_htmx.web.origin import hosts

_NO_DOCUMENTS = frozenset({"text/css", "text/javascript"})
"""A policy has no effect on these, and would be sent with each of them."""

OURS = "X-Opcode"
"""Marks what is answered by the app and not by a proxy in front of it: scripts ask for it."""

_PERMISSIONS = "camera=(), geolocation=(), microphone=(self), payment=(), usb=()"
"""The microphone is for dictation (static/dictation.js); the browser asks the person first."""


def register(app: Flask, files: StaticFiles | None = None) -> None:
    """Add the headers to every response and the template globals `asset` and `stylesheet`.

    Without `files` the static files are those in the app's own static folder.
    """
    files = files or StaticFiles(Path(app.static_folder or "static"))
    hash_of = files.hash_of

    def add_headers(response: Response) -> Response:
        headers = response.headers
        headers[OURS] = "1"
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

    app.add_template_global(files.address, "asset")
    PageStyles(files).init_app(app)
    app.after_request(add_headers)


def content_security_policy() -> str:
    """Only this server's own files, and their styles that are inside this page.

    The socket is named for WebKit, whose 'self' omits it.
    """
    host = request.environ.get("HTTP_HOST", "")
    socket = f" ws://{host} wss://{host}" if hosts.host_name(host) else ""
    styles = " ".join(("'self'", *page_styles.sources()))
    return (
        f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; "
        f"connect-src 'self'{socket}; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; manifest-src 'self'"
    )
