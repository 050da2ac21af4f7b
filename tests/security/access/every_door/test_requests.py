"""Every door of the app answers requests that are none: methods, ids, bodies."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping

import pytest
from flask import Flask, request
from werkzeug.test import TestResponse

from opcode_htmx.web.http import errors
from opcode_htmx.web.origin.cors import API_FOLDERS
from tests.security.access.doors import ORIGIN, Door, Login, Visits, ask, log_in
from tests.security.access.every_door.attack import PUBLIC, changing, protected
from tests.support.clients import api
from tests.support.environment import Sandbox
from tests.support.fuzzing import rotated


@contextlib.contextmanager
def shown_once(about: Callable[[], str] = str) -> Iterator[None]:
    """The page of an error is made once for each sentence, method and `about`, and then repeated.

    Thousands of them say the same."""
    made: dict[tuple[str, int, str, str, object], str] = {}
    make = errors._page

    def page(sentence: str, code: int, link: errors.Link | None = None) -> str:
        key = sentence, code, request.method, about(), link
        if key not in made:
            made[key] = make(sentence, code, link)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(errors, "_page", page)
        yield


def test_unsupported_method_is_405(
    app: Flask, doors: list[Door], login: Login, visits: Visits
) -> None:
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"}
    wrong = []
    by_path: dict[str, set[str]] = {}
    for door in doors:
        by_path.setdefault(door.path, set()).add(door.method)
    first = {door.path: door for door in doors if not door.is_socket}
    with shown_once():
        for turn, (path, door) in enumerate(first.items()):
            for method in rotated(sorted(methods - by_path[path]), turn):
                other = Door(door.rule, method, "", is_socket=False, values=door.values)
                with visits.watch() as entered:
                    answer = ask(app, other, login.headers)
                if answer.status_code != 405 or entered or "Allow" not in answer.headers:
                    wrong.append(f"{other}: {answer.status_code}, entered: {entered}")
    assert wrong == []


def test_a_socket_that_is_asked_for_as_a_page_is_refused(
    app: Flask, doors: list[Door], login: Login, visits: Visits
) -> None:
    for door in protected(doors, sockets=True):
        for method in ("GET", "POST"):
            page = Door(door.rule, method, "", is_socket=False, values=door.values)
            with visits.watch() as entered:
                answer = ask(app, page, login.headers)
            assert (400 <= answer.status_code < 500, entered) == (True, []), page


NO_IDS = (
    *("..", ".", "%2e%2e", "%2e%2e%2f", "..%2f..%2f..%2f..%2fetc%2fpasswd", "%252e%252e%252f"),
    *(
        "..%5c..%5c",
        "%2fetc%2fpasswd",
        "~root",
        "%c0%ae%c0%ae",
        "passwd",
        "-rf",
        "*",
        "%25s",
        "CON",
    ),
    *("%00", "a%00b", "%0d%0aLeak:%20y", "%20", "%09", "{{7*7}}", "%7b%25%25%7d", "a" * 300),
    *(
        "a" * 5000,
        "%ED%A0%80",
        "%ff%fe",
        "%F0%9F%98%80",
        "%E2%80%AE",
        "%ef%bc%8e%ef%bc%8e",
        "0",
        "-1",
    ),
    *("99999999999999999999", "1e9", "null", "true", "__proto__", "%3Cscript%3E", "%22%27%3E"),
)
"""Parts of addresses that name nothing, percent-encoded or as they stand."""


def test_unknown_url_part_is_404(
    app: Flask, doors: list[Door], login: Login, sandbox: Sandbox
) -> None:
    outside = sandbox.home / "passwd.jsonl"
    outside.write_text(api.prompt("root:x:0:0", sandbox.project))
    wrong = []
    parts = [
        (door, name)
        for door in protected(doors, sockets=False)
        if door.method != "HEAD"
        for name in door.values
    ]
    assert len(parts) > 50
    tries = [
        (door, name, value)
        for turn, (door, name) in enumerate(parts)
        for value in rotated(NO_IDS, turn, among=8)
    ]
    with shown_once(lambda: value):
        for door, name, value in tries:
            answer = ask(app, door.with_value(name, value), login.headers)
            # Two slashes become one: the address is put right before anything is looked up
            refused = 400 <= answer.status_code < 500 or (
                answer.status_code == 308 and answer.headers["Location"].startswith(f"{ORIGIN}/")
            )
            if not refused or "root:" in answer.text or "Leak" in answer.headers:
                wrong.append(f"{door} with {name}={value}: {answer.status_code}")
    assert wrong == []


DEEP = 100_000
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
BODIES: Mapping[str, tuple[str, bytes]] = {
    "no JSON": (JSON, b"{"),
    "JSON that is no object": (JSON, b"[1, 2]"),
    "a JSON text": (JSON, b'"x"'),
    "JSON null": (JSON, b"null"),
    "JSON with NaN": (JSON, b'{"prompt": NaN, "project_path": Infinity}'),
    "JSON with half a surrogate pair": (JSON, b'{"prompt": "\\ud800", "project_path": "\\ud800"}'),
    "JSON with NUL": (JSON, b'{"prompt": "a\\u0000", "project_path": "/a\\u0000b"}'),
    "JSON of other types": (JSON, b'{"prompt": [1], "project_path": {}, "session_id": 1e999}'),
    "JSON that is no UTF-8": (JSON, b'{"prompt": "\xff"}'),
    "JSON with a long number": (JSON, b'{"prompt": ' + b"9" * 10_000 + b"}"),
    "lists in one another": (JSON, b"[" * DEEP + b"]" * DEEP),
    "objects in one another": (JSON, b'{"content":' * DEEP + b"1" + b"}" * DEEP),
    "a form that is no UTF-8": (FORM, b"prompt=%ff%fe&title=%ED%A0%80&\xff=\xff"),
    "a form with NUL": (FORM, b"prompt=%00&title=a%00b&folder=/%00&session_id=%00"),
    "a form of many fields": (FORM, b"&".join(b"f%d=x" % n for n in range(20_000))),
    "a field twice": (FORM, b"title=a&title=b&folder=/a&folder=/b&prompt=a&prompt=b"),
    "a form that breaks off": ("multipart/form-data; boundary=x", b"--x\r\nContent-Dispo"),
    "a form without a boundary": ("multipart/form-data", b"--x--"),
    "a file without a name": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\na\r\n--x--\r\n',
    ),
    "a file by a path": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="../../../etc/x\x00"'
        b"\r\n\r\na\r\n--x--\r\n",
    ),
    "a type that there is not": ("text/\xff; charset=\x7f", b"prompt=x"),
    "an encoding that there is not": (f"{FORM}; charset=utf-99", b"prompt=x"),
    "nothing": ("", b""),
}


def test_no_body_causes_a_server_error(app: Flask, doors: list[Door], visits: Visits) -> None:
    login, broken, name = log_in(app), list[str](), ""

    def send(door: Door, kind: str, body: bytes) -> tuple[TestResponse, list[str]]:
        with visits.watch() as entered:
            return ask(app, door, login.headers, data=body, content_type=kind), entered

    with shown_once(lambda: name):
        for turn, door in enumerate(changing(doors)):
            for name, (kind, body) in bodies_for(door, turn):
                answer, entered = send(door, kind, body)
                if answer.status_code == 401:  # one before has ended the login
                    login = log_in(app)
                    answer, entered = send(door, kind, body)
                if not answered_properly(answer) or not (entered or answer.status_code >= 400):
                    broken.append(f"{door} with {name}: {answer.status_code} {answer.text[:200]}")
    assert broken == []


def bodies_for(door: Door, turn: int) -> list[tuple[str, tuple[str, bytes]]]:
    """An eighth of those of the kind that the door reads, and one of the others, in turn."""
    reads_json = door.rule.startswith(API_FOLDERS)
    read = [each for each in BODIES.items() if (each[1][0] == JSON) == reads_json]
    others = [each for each in BODIES.items() if each not in read]
    return [*rotated(read, turn, among=8), others[turn % len(others)]]


def answered_properly(answer: TestResponse) -> bool:
    """Whether it is no failure of the server and, where it is JSON, says what was wrong."""
    if answer.is_json and answer.status_code >= 400 and not json.loads(answer.text)["error"]:
        return False
    return answer.status_code < 500 or answer.status_code == 503


LARGE = 64 * 1024 * 1024


def test_a_body_that_is_too_large_is_refused_unread(
    app: Flask, doors: list[Door], login: Login
) -> None:
    for door in doors:
        if door.is_safe:
            continue
        for who in ({"Origin": ORIGIN}, login.headers):
            length = {"CONTENT_LENGTH": str(LARGE)}
            answer = ask(
                app, door, {**who, "Content-Type": FORM}, environ_overrides=length, data=b"x=1"
            )
            assert answer.status_code < 500, door


def test_anonymous_request_bodies_are_limited(app: Flask, doors: list[Door]) -> None:
    unsafe = [door for door in doors if str(door) in PUBLIC and not door.is_safe]
    assert unsafe
    for door in unsafe:
        for size, status in ((1000, 401), (9 * 1024, 413)):
            body = b"user=x&password=" + b"x" * size
            answer = ask(app, door, {"Origin": ORIGIN}, data=body, content_type=FORM)
            assert answer.status_code == status, (door, size)
