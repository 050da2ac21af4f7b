"""The addresses in an answer that lead outside of the base path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from tests.security.access.doors import ORIGIN

BASE = "/team/sessions"
"""Its parts look like those of our own addresses."""
ATTRIBUTE = re.compile(r"""\s([\w:-]+)\s*=\s*["']?(/[^"'\s>]*)""")
"""One whose value is a path. Words of a page that look like one are taken for it."""
LINKS = ("href", "src", "action", "formaction", "hx-get", "hx-post", "hx-ws:connect")


def is_route(app: Flask, address: str) -> bool:
    """Whether a path without the base path is one of the app's."""
    path = unquote(urlsplit(address).path)
    adapter = app.url_map.bind("")
    for how in ({"method": "GET"}, {"method": "POST"}, {"websocket": True}):
        try:
            endpoint, _ = adapter.match(path, **how)
        except HTTPException:  # a redirect is one as well
            continue
        return str(endpoint) != "home.page"
    return False


def is_inside(address: str) -> bool:
    return address.startswith(f"{BASE}/")


def strings_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from strings_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_of(each)
    elif isinstance(value, str):
        yield value


def leaks(app: Flask, answer: TestResponse) -> list[str]:
    """What in an answer leads to this server, but outside of the base path."""
    found = []
    for name in ("Location", "HX-Redirect"):
        if (target := answer.headers.get(name, "")) and not is_inside(urlsplit(target).path):
            found.append(f"{name}: {target}")
    for cookie in answer.headers.getlist("Set-Cookie"):
        path = re.search(r"Path=([^;]*)", cookie)
        if not path or not f"{unquote(path[1])}/".startswith(f"{BASE}/"):
            found.append(f"Set-Cookie: {cookie}")
    kind = answer.mimetype
    if kind == "text/html":
        for name, value in ATTRIBUTE.findall(answer.text):
            if not is_inside(value) and (name in LINKS or is_route(app, unescape(value))):
                found.append(f"{name}={value}")
        whole = re.findall(rf"{ORIGIN}(/[^\s\"'<]*)?", answer.text)
        found += [f"{ORIGIN}{path}" for path in whole if not is_inside(path)]
    elif kind == "application/json":
        answered = [each for each in strings_of(answer.get_json()) if each.startswith("/")]
        found += [each for each in answered if not is_inside(each) and is_route(app, each)]
    return found
