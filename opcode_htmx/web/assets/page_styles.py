"""The stylesheets of a page: linked, or inside it for a browser that has not fetched them yet.

A linked stylesheet costs a first visit another round trip before anything is painted. It is
therefore part of the page until a script (static/page_styles.js) has fetched the file in an idle
moment and noted so in a cookie: from then on pages link to it, and it comes from the
browser's cache. The Content-Security-Policy allows styles inside a page by their hash.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import NamedTuple

from flask import Flask, g, request
from markupsafe import Markup

from opcode_htmx.web.assets.static_files import StaticFiles
from opcode_htmx.web.server.base_path import cookie_name, cookie_path

COOKIE = "opcode_styles"
"""The hashes of the stylesheets that the browser has fetched, with dots between them."""

_NAVIGATION = "application/xhtml+xml"
"""What browsers accept when they open a page, and neither `fetch` nor htmx does. Sec-Fetch-Mode
would be missing without https."""


class _Inline(NamedTuple):
    """A stylesheet as text of a page, and the source that allows it."""

    text: Markup
    source: str


class PageStyles:
    """The template global `stylesheet(name)`."""

    def __init__(self, files: StaticFiles) -> None:
        self._files = files

    def init_app(self, app: Flask) -> None:
        app.add_template_global(self.stylesheet, "stylesheet")
        app.add_template_global(_cookie, "styles_cookie")

    def stylesheet(self, name: str) -> Markup:
        """A `<link>` or a `<style>` with a static file."""
        digest = self._files.hash_of(name)
        address = self._files.address(name)
        inline = None if _has_fetched(digest) else self._inline(name)
        if inline is None:
            return Markup('<link rel="stylesheet" href="{}">').format(address)
        _sources().append(inline.source)
        return Markup('<style data-address="{}">{}</style>').format(address, inline.text)

    def _inline(self, name: str) -> _Inline | None:
        """None for a file that is not there, or cannot be part of a page."""
        content = self._files.minified(name)
        return None if content is None else _inlined(content)


def sources() -> list[str]:
    """What `style-src` has to allow beside the files: the hash of each style inside this page."""
    return list(dict.fromkeys(g.get("inline_styles", ())))


def _cookie() -> str:
    """The name of the cookie and its path, with a blank between them, for the script."""
    return f"{cookie_name(COOKIE)} {cookie_path()}"


def _sources() -> list[str]:
    found: list[str] = g.setdefault("inline_styles", [])
    return found


def _has_fetched(digest: str) -> bool:
    """Whether a stylesheet is to be linked: the browser has it, or a script asks for the page."""
    if _NAVIGATION not in request.headers.get("Accept", ""):
        return True
    return digest in request.cookies.get(cookie_name(COOKIE), "").split(".")


@lru_cache(maxsize=64)
def _inlined(content: bytes) -> _Inline | None:
    if b"</" in content or b"url(" in content or b"\r" in content:
        return None  # it would end early, lead elsewhere, or be hashed as another text
    hashed = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return _Inline(Markup(content.decode()), f"'sha256-{hashed}'")  # noqa: S704 - our own file
