"""The doors of an app, read from its URL map, and requests to each of them.

A door is a rule of the URL map with one method, or a WebSocket route. A new route is a door
without an edit here; one with an unknown kind of URL part makes `doors_of` fail.
"""

from __future__ import annotations

import functools
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from flask import Flask
from werkzeug.routing import IntegerConverter, PathConverter, Rule, UnicodeConverter
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app
from werkzeug.wrappers import Request

from tests.support.environment import PASSWORD, USER, Sandbox

HOST = "127.0.0.1:8080"
ORIGIN = f"http://{HOST}"
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
SAFE = frozenset({"GET", "HEAD"})
CONVERTERS: Mapping[type, str] = {
    UnicodeConverter: "11111111-1111-4111-8111-111111111111",
    IntegerConverter: "0",
    PathConverter: "session.js",
}
"""The kinds of URL parts, each with a well-formed value."""
NOT_OF_VIEWS = ("log", "throttle", "reserve", "templates", "metrics", "summaries")
"""How the names begin of what the gate, the disk guard, the app's start, the counters and the
reading ahead write in the state folder: the threads that compile the templates and read all
session files may end at any time."""

ONLY = "OPCODE_TESTS_RULES"
"""The variable with the only rules that the tests try whose time grows with all of them."""


@dataclass(frozen=True, slots=True)
class Door:
    """One way into the app. `values` are the parts of its address, percent-encoded, by name."""

    rule: str
    method: str
    endpoint: str
    is_socket: bool
    values: Mapping[str, str]

    @property
    def path(self) -> str:
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda part: self.values[part[1]], self.rule)

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE

    def with_value(self, name: str, value: str) -> Door:
        return replace(self, values={**self.values, name: value})

    def __str__(self) -> str:
        return f"{'WS' if self.is_socket else self.method} {self.rule}"


def doors_of(app: Flask, known: Mapping[str, str]) -> list[Door]:
    """All doors of the app; `known` are values for parts of addresses, by name.

    Raises AssertionError for a rule with a part of an unknown kind.
    """
    found = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        values = _values(rule, known)
        methods = {"GET"} if rule.websocket else (rule.methods or set()) - {"OPTIONS"}
        found += [
            Door(rule.rule, method, rule.endpoint, bool(rule.websocket), values)
            for method in sorted(methods)
        ]
    return found


def _values(rule: Rule, known: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for name, converter in rule._converters.items():
        assert type(converter) in CONVERTERS, (
            f"{rule.rule} has a part of the kind {type(converter).__name__}, for which there is no "
            "value: add one to CONVERTERS."
        )
        values[name] = quote(known.get(name, CONVERTERS[type(converter)]), safe="/")
    return values


def tried(doors: list[Door]) -> list[Door]:
    """The doors that are to be tried: all, or those of the rules in `ONLY`."""
    rules = os.environ.get(ONLY, "").split()
    return [door for door in doors if door.rule in rules] if rules else doors


@dataclass(frozen=True, slots=True)
class Login:
    """A browser's login: its Cookie header, and the CSRF token of its pages."""

    cookie: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The request of one of its own pages."""
        return {"Cookie": self.cookie, "X-CSRF-Token": self.token, "Origin": ORIGIN}


def log_in(app: Flask, base_path: str = "") -> Login:
    """Log in by the form, as a browser does."""
    form = {"user": USER, "password": PASSWORD}
    headers = {"Host": HOST, "Origin": ORIGIN}
    client = app.test_client(use_cookies=False)
    answer = client.post(f"{base_path}/login", data=form, headers=headers)
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    page = client.get(f"{base_path}/", headers={"Host": HOST, "Cookie": cookie}).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token, "a page has a form with a token"
    return Login(cookie, token[1])


def ask(app: Flask, door: Door, headers: Mapping[str, str] = {}, **how: Any) -> TestResponse:
    """Send one request to a door and read its answer. An empty header is left out."""
    sent = {"Host": HOST, **(UPGRADE if door.is_socket else {}), **headers}
    given = {name: value for name, value in sent.items() if value}
    if how:
        client = app.test_client(use_cookies=False)
        answer = client.open(door.path, method=door.method, headers=given, **how)
        answer.get_data()
    else:
        answer = _answer(app, door, given)
    answer.close()
    return answer


def _answer(app: Flask, door: Door, headers: Mapping[str, str]) -> TestResponse:
    """As the test client does it for a request without a body, at a fraction of its cost.

    Tens of thousands are sent."""
    environ = {**_environ(door.path, door.method), "wsgi.input": io.BytesIO()}
    for name, value in headers.items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    parts, status, given = run_wsgi_app(app, environ, buffered=True)
    return TestResponse(parts, status, given, Request(environ))


@functools.lru_cache(maxsize=4096)
def _environ(path: str, method: str) -> dict[str, Any]:
    """That of a request to the address, without headers."""
    found = EnvironBuilder(path, f"{ORIGIN}/", method=method, errors_stream=sys.__stderr__)
    return {**found.get_environ(), "REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": "tests"}


def files_of(sandbox: Sandbox) -> dict[str, tuple[int, int]]:
    """The size and time of all that stands in the sandbox and that a view may have written."""
    return dict(_files_in(str(sandbox.home)))


def _files_in(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    for entry in os.scandir(folder):
        if entry.name.startswith(NOT_OF_VIEWS):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files_in(entry.path)
        elif entry.is_file():
            found = entry.stat()
            yield entry.path, (found.st_size, 0 if _is_touched(entry.path) else found.st_mtime_ns)


def _is_touched(path: str) -> bool:
    """Whether git gives the file a new time where it only reads.

    An object that it would write elsewhere as well, and the index, in which `git diff` refreshes
    the times of files.
    """
    return ".git/objects/" in path or path.endswith("/.git/index")


class Visits:
    """Which views were entered. A socket is not opened: a request that gets there was let in."""

    def __init__(self, app: Flask) -> None:
        self._entered: list[str] = []
        sockets = {rule.endpoint for rule in app.url_map.iter_rules() if rule.websocket}
        for endpoint, view in list(app.view_functions.items()):
            app.view_functions[endpoint] = self._watched(endpoint, view, endpoint in sockets)

    def _watched(self, endpoint: str, view: Any, is_socket: bool) -> Any:
        @functools.wraps(view)  # with what the gate reads from a view
        def enter(**values: Any) -> Any:
            self._entered.append(endpoint)
            return "opened" if is_socket else view(**values)

        return enter

    @contextmanager
    def watch(self) -> Iterator[list[str]]:
        """The endpoints of the views that are entered meanwhile."""
        entered: list[str] = []
        self._entered = entered
        yield entered
