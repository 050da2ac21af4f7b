"""Every door of the app, found in its own URL map, tried in every wrong way.

What is expected stands here and is not read from the app: a new route is protected, or it is
added to `PUBLIC` on purpose.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import requests
from flask import Flask, request
from werkzeug.routing import BaseConverter
from werkzeug.test import TestResponse

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.web.auth.login import LoginForm
from opcode_htmx.web.http import errors
from tests.security.access.doors import (
    HOST,
    ORIGIN,
    UPGRADE,
    Door,
    Login,
    Visits,
    ask,
    doors_of,
    files_of,
    log_in,
    tried,
)
from tests.support.apps.in_process import app_of
from tests.support.clients import api
from tests.support.environment import (
    PASSWORD,
    USER,
    Sandbox,
    Server,
    basic_header,
    write_stand_in,
)
from tests.support.fuzzing import rotated

PUBLIC = {
    *("HEAD /healthz", "GET /healthz", "HEAD /login", "GET /login", "POST /login"),
    *("HEAD /pair", "GET /pair", "POST /pair", "HEAD /readyz", "GET /readyz"),
    *("HEAD /metrics", "GET /metrics"),  # with a token or, as here, from this machine
}
"""The doors that need no login."""
FOR_SCRIPTS = {
    "GET /api/sessions/<either_id>/cancel",
    "HEAD /api/sessions/<either_id>/cancel",
}
"""The doors that change something by a safe method, for programs that can send no other."""
SESSION = "5e551000-0000-4000-8000-000000000001"

OTHER_PORT = "http://127.0.0.1:9999"
FOREIGN = ("https://evil.example", "null", OTHER_PORT, "http://127.0.0.1", "file://", "x")
SUBRESOURCE = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(tmp_path_factory.mktemp("doors") / "home").make()
    api.session(sandbox.config_dir, sandbox.project, api.prompt("hello", sandbox.project), SESSION)
    return sandbox


@pytest.fixture(scope="module")
def app(integration: None, sandbox: Sandbox) -> Iterator[Flask]:
    with app_of(sandbox, write_stand_in(sandbox.home / "claude")) as app:
        app.logger.disabled = True  # what is refused is not a failure of the app
        yield app


@pytest.fixture(scope="module")
def visits(app: Flask) -> Visits:
    return Visits(app)


@pytest.fixture(scope="module")
def doors(app: Flask, visits: Visits, sandbox: Sandbox) -> list[Door]:
    known = {
        "project_id": project_id(sandbox.project),
        "session_id": SESSION,
        "either_id": SESSION,
        "run_id": "1" * 32,
        "token": "1" * 32,
        "block_id": "x",
        "verb": "remove",
    }
    return doors_of(app, known)


@pytest.fixture
def login(app: Flask) -> Login:
    return log_in(app)


def still(app: Flask, login: Login) -> Login:
    """The login or, if a door has ended it, a new one."""
    # No page: this is asked after each of a thousand requests.
    runs = Door("/api/sessions/running", "GET", "", is_socket=False, values={})
    return login if ask(app, runs, login.headers).status_code == 200 else log_in(app)


@pytest.fixture
def stranger(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The same app with another key: its cookies and tokens are well-formed and not ours."""
    sandbox = Sandbox(tmp_path_factory.mktemp("stranger") / "home").make()
    with app_of(sandbox, write_stand_in(sandbox.home / "claude")) as app:
        yield app


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


def protected(doors: list[Door], *, sockets: bool | None = None) -> list[Door]:
    """The doors that need a login: all, the sockets (`sockets`), or the others."""
    return [
        door
        for door in doors
        if str(door) not in PUBLIC and (sockets is None or door.is_socket == sockets)
    ]


def changing(doors: list[Door]) -> list[Door]:
    """The doors that need a token besides."""
    return [door for door in protected(doors, sockets=False) if not door.is_safe]


class Attack:
    """Sends requests that must be refused, and collects those that are not."""

    def __init__(self, app: Flask, visits: Visits, sandbox: Sandbox) -> None:
        self._app = app
        self._visits = visits
        self._sandbox = sandbox

    def refused(
        self,
        doors: list[Door],
        headers: Mapping[str, str],
        *statuses: int,
        **how: Any,
    ) -> list[str]:
        """The doors that did not answer with one of `statuses` before their view was entered."""
        doors = tried(doors)
        assert doors, "there is something to try"
        before = files_of(self._sandbox)
        held_open = []
        with pytest.MonkeyPatch.context() as patch:
            # Half of the time would go into pages of errors and logins, which nobody reads here.
            patch.setattr(errors, "_page", lambda sentence, code, _: f"{code} {sentence}")
            patch.setattr(LoginForm, "page", lambda *_, **__: "the login")
            for door in doors:
                with self._visits.watch() as entered:
                    answer = ask(self._app, door, headers, **how)
                if answer.status_code not in statuses or entered:
                    held_open.append(f"{door}: {answer.status_code}, entered: {entered}")
        assert files_of(self._sandbox) == before
        return held_open


@pytest.fixture
def attack(app: Flask, visits: Visits, sandbox: Sandbox) -> Attack:
    return Attack(app, visits, sandbox)


# --- the map itself -------------------------------------------------------------------------


def test_each_endpoint_admits_its_owner(app: Flask, doors: list[Door], visits: Visits) -> None:
    """Without this, a door that refuses everybody would pass all of the other tests."""
    closed = []
    login = log_in(app)
    for door in doors:
        headers = basic_header() if str(door) in FOR_SCRIPTS else login.headers
        with visits.watch() as entered:
            answer = ask(app, door, headers)
        # What acts has no HEAD
        opened = entered == [door.endpoint] or (door.method == "HEAD" and not entered)
        if not opened or answer.status_code >= 500:
            closed.append(f"{door}: {answer.status_code}")
        if not door.is_safe:
            login = still(app, login)
    assert closed == []


def test_every_view_and_every_public_door_stands_in_the_map(app: Flask, doors: list[Door]) -> None:
    unreachable = app.view_functions.keys() - {door.endpoint for door in doors}
    assert unreachable == set(), "these views have no address"
    assert {str(door) for door in doors} >= PUBLIC | FOR_SCRIPTS
    assert [door for door in doors if door.is_socket], "the sockets are in the map"


def test_a_url_part_of_an_unknown_kind_is_named() -> None:
    class Hexadecimal(BaseConverter):
        regex = "[0-9a-f]+"

    app = Flask(__name__, static_folder=None)
    app.url_map.converters["hex"] = Hexadecimal
    app.add_url_rule("/x/<hex:number>", "x", lambda number: number)
    with pytest.raises(AssertionError, match="a part of the kind Hexadecimal"):
        doors_of(app, {})


def test_open_endpoint_is_detected(stranger: Flask, sandbox: Sandbox) -> None:
    stranger.before_request_funcs.clear()  # the gate is one of them
    stranger.logger.disabled = True
    doors = protected(doors_of(stranger, {}))
    attack = Attack(stranger, Visits(stranger), sandbox)
    assert len(attack.refused(doors, {}, 401)) == len(doors)


# --- who is not logged in -------------------------------------------------------------------


def test_no_endpoint_admits_without_a_login(attack: Attack, doors: list[Door]) -> None:
    assert attack.refused(protected(doors), {}, 401) == []
    assert attack.refused(protected(doors), {"Origin": ORIGIN}, 401) == []


def test_no_endpoint_admits_a_wrong_password(stranger: Flask, sandbox: Sandbox) -> None:
    """On an app of its own, which makes the address wait after a few of them."""
    attack = Attack(stranger, Visits(stranger), sandbox)
    wrong = {"Authorization": "Basic b3Bjb2RlOndyb25n"}  # opcode:wrong
    assert attack.refused(protected(doors_of(stranger, {})), wrong, 401, 429) == []


def test_no_endpoint_admits_a_foreign_cookie(
    attack: Attack, doors: list[Door], login: Login, stranger: Flask, app: Flask
) -> None:
    name, _, value = login.cookie.partition("=")
    body, _, signature = value.rpartition(".")
    cookies = [
        log_in(stranger).cookie,
        f"{name}={body}.{signature[::-1]}",
        f"{name}={value}x",
        f"{name}=",
        f"{name}={'.' * 3000}",
        f'{name}="\\000"',
        f"other_name={value}",
    ]
    for cookie in cookies:
        assert attack.refused(protected(doors), {"Cookie": cookie, "Origin": ORIGIN}, 401) == []


def test_no_endpoint_admits_an_ended_login(app: Flask, attack: Attack, doors: list[Door]) -> None:
    ended = log_in(app)
    logout = next(door for door in doors if str(door) == "POST /logout")
    assert ask(app, logout, ended.headers).status_code == 303
    assert attack.refused(protected(doors), ended.headers, 401) == []


def test_what_does_not_exist_looks_like_what_does_to_a_stranger(app: Flask) -> None:
    for path in ("/nowhere", "/api/nowhere", "/static/../app.py", "/runs/x/y/z", "//evil.example"):
        door = Door(path, "GET", "", is_socket=False, values={})
        assert ask(app, door).status_code in (401, 404), path


# --- other sites ----------------------------------------------------------------------------


def test_no_endpoint_admits_an_unknown_host(
    attack: Attack, doors: list[Door], login: Login
) -> None:
    """DNS rebinding makes any page one of the same origin."""
    for host in ("evil.example", f"evil.example:{HOST.partition(':')[2]}", f"{HOST},{HOST}", "a b"):
        headers = {**login.headers, "Host": host, "Origin": f"http://{host}"}
        assert attack.refused(doors, headers, 421) == [], host


def test_no_change_is_made_without_the_token_of_the_login(
    app: Flask, attack: Attack, doors: list[Door], login: Login
) -> None:
    other = log_in(app)
    for token in ("", other.token, "x" * len(login.token), f"{login.token}x", login.token[:-1]):
        headers = {**login.headers, "X-CSRF-Token": token}
        assert attack.refused(changing(doors), headers, 403) == [], token
    # Credentials that a browser has stored prove no more than a cookie does
    headers = {**basic_header(), "Origin": ORIGIN}
    assert attack.refused(changing(doors), headers, 403) == []


def test_no_change_is_made_by_another_origin(
    attack: Attack, doors: list[Door], login: Login
) -> None:
    """Not even with the right token; another port of the same host is another origin."""
    unsafe = [door for door in doors if not door.is_safe]
    for origin in FOREIGN:
        assert attack.refused(unsafe, {**login.headers, "Origin": origin}, 403) == [], origin
    for site in ("cross-site", "same-site", "same-origin, cross-site"):
        headers = {**login.headers, "Origin": "", "Sec-Fetch-Site": site}
        assert attack.refused(unsafe, headers, 403) == [], site


def test_nothing_is_loaded_into_a_page_of_another_origin(
    attack: Attack, doors: list[Door], login: Login
) -> None:
    """The cookie goes along with what another port of the same host loads."""
    readable = [
        door
        for door in protected(doors, sockets=False)
        if door.is_safe and door.endpoint != "static"  # which holds nothing of anybody
    ]
    for site in ("cross-site", "same-site"):
        headers = {"Cookie": login.cookie, "Sec-Fetch-Site": site, **SUBRESOURCE}
        assert attack.refused(readable, headers, 403) == [], site


def test_no_run_is_ended_by_a_get_of_a_browser(app: Flask, doors: list[Door], login: Login) -> None:
    ends = [door for door in doors if str(door) in FOR_SCRIPTS]
    assert len(ends) == len(FOR_SCRIPTS)
    for door in ends:
        for headers in (
            {"Cookie": login.cookie},
            {**login.headers, "Sec-Fetch-Site": "same-origin"},
            {**basic_header(), "Sec-Fetch-Site": "none"},
        ):
            assert ask(app, door, headers).status_code in (403, 405), (door, headers)
        # A program may send the cookie besides that it was given
        for headers in (basic_header(), {**basic_header(), "Cookie": login.cookie}):
            found = ask(app, door, headers).status_code
            assert found in ((200, 404) if door.method == "GET" else (404, 405)), (found, headers)


def test_no_socket_is_opened_by_another_origin(
    attack: Attack, doors: list[Door], login: Login
) -> None:
    sockets = protected(doors, sockets=True)
    for origin in (*FOREIGN, f"{ORIGIN}, https://evil.example", f"{ORIGIN}.evil.example"):
        for who in ({"Cookie": login.cookie}, basic_header()):
            assert attack.refused(sockets, {**who, "Origin": origin}, 403) == [], origin


def test_no_socket_is_opened_by_a_cookie_without_an_origin(
    attack: Attack, doors: list[Door], login: Login
) -> None:
    assert attack.refused(protected(doors, sockets=True), {"Cookie": login.cookie}, 403) == []


# --- what is no proper request --------------------------------------------------------------


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
        for path, door in first.items():
            for method in sorted(methods - by_path[path]):
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
        for value in rotated(NO_IDS, turn)
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

    def send_all(door: Door, bodies: Sequence[tuple[str, tuple[str, bytes]]]) -> None:
        nonlocal name
        for name, (kind, body) in bodies:
            with visits.watch() as entered:
                answer = ask(app, door, login.headers, data=body, content_type=kind)
            if not answered_properly(answer) or not (entered or answer.status_code >= 400):
                broken.append(f"{door} with {name}: {answer.status_code} {answer.text[:200]}")

    with shown_once(lambda: name):
        for turn, door in enumerate(changing(doors)):
            bodies = rotated(list(BODIES.items()), turn)
            send_all(door, bodies)
            if (now := still(app, login)) is not login:  # one of them has ended it for the others
                login = now
                for each in bodies:
                    send_all(door, [each])
                    login = still(app, login)
    assert broken == []


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


# --- over a real server ---------------------------------------------------------------------


def answer_to(server: Server, request: bytes) -> str:
    """The first line of the answer to these bytes; empty if the connection is just closed."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(request)
        with contextlib.suppress(ConnectionResetError):
            return connection.makefile("rb").readline().decode("latin-1").rstrip()
    return ""


def raw(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", *headers, "Connection: close", "", ""]).encode(
        "latin-1"
    )


@pytest.fixture(scope="module")
def server_login(shared_server: Server) -> tuple[str, str]:
    """The Cookie header and the token of a login at the real server."""
    with requests.Session() as session:
        form = {"user": USER, "password": PASSWORD}
        page = session.post(f"{shared_server.url}/login", data=form, timeout=20)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token
        cookie = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
        return f"Cookie: {cookie}", f"X-CSRF-Token: {token[1]}"


def test_each_socket_opens_for_its_owner(
    shared_server: Server, doors: list[Door], server_login: tuple[str, str]
) -> None:
    host = f"127.0.0.1:{shared_server.port}"
    upgrade = [f"{name}: {value}" for name, value in UPGRADE.items()]
    basic = [f"{name}: {value}" for name, value in basic_header().items()]
    for door in protected(doors, sockets=True):
        page = raw("GET", door.path, f"Host: {host}", server_login[0], f"Origin: http://{host}")
        page = page.replace(b"Connection: close", "\r\n".join(upgrade).encode())
        program = raw("GET", door.path, f"Host: {host}", *basic)
        program = program.replace(b"Connection: close", "\r\n".join(upgrade).encode())
        assert answer_to(shared_server, page).startswith("HTTP/1.1 101"), door
        assert answer_to(shared_server, program).startswith("HTTP/1.1 101"), door


def test_no_header_twice_and_no_odd_request_opens_a_door(
    shared_server: Server, server_login: tuple[str, str]
) -> None:
    cookie, token = server_login
    host = f"127.0.0.1:{shared_server.port}"
    own, origin = f"Host: {host}", f"Origin: http://{host}"
    form = "Content-Type: application/x-www-form-urlencoded"
    wrong = {
        "two hosts": raw("GET", "/", own, "Host: evil.example", cookie),
        "no host": raw("GET", "/", cookie),
        "an absolute address": raw("GET", "http://evil.example/", "Host: evil.example", cookie),
        "two origins": raw("POST", "/runs/stop-all", own, cookie, token, origin, "Origin: null"),
        "two sites": raw(
            *("POST", "/runs/stop-all", own, cookie, token),
            *("Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"),
        ),
        "two tokens": raw("POST", "/runs/stop-all", own, cookie, origin, token, "X-CSRF-Token: x"),
        "two credentials": raw(
            "GET", "/", own, "Authorization: Basic eA==", "Authorization: Basic b3Bjb2RlOng="
        ),
        "two lengths": raw(
            "POST",
            "/runs/stop-all",
            own,
            cookie,
            token,
            form,
            "Content-Length: 1",
            "Content-Length: 2",
        ),
        "a length and pieces": raw(
            *("POST", "/runs/stop-all", own, cookie, token, form),
            *("Content-Length: 4", "Transfer-Encoding: chunked"),
        ),
        "no length": raw("POST", "/runs/stop-all", own, cookie, token, "Content-Length: x"),
        "a negative length": raw(
            "POST", "/runs/stop-all", own, cookie, token, "Content-Length: -1"
        ),
        "an underscore": raw(
            "POST", "/runs/stop-all", own, cookie, origin, f"X_CSRF_Token: {token[14:]}"
        ),
        "a folded header": raw(
            "POST", "/runs/stop-all", own, cookie, origin, "X-A: b", f" {token}"
        ),
        "a header without a name": raw("GET", "/", own, cookie, ": x"),
        "a header with NUL": raw("GET", "/", own, cookie, "X-A: \0"),
        "a path with NUL": raw("GET", "/\0", own, cookie),
        "a path upwards": raw("GET", "/static/../../app.py", own, cookie),
        "a path upwards, encoded": raw("GET", "/static/%2e%2e/%2e%2e/app.py", own, cookie),
        "a path of two slashes": raw("GET", "//evil.example/%2f..", own, cookie),
        "a long address": raw("GET", "/" + "a" * 100_000, own, cookie),
        "a long header": raw("GET", "/", own, f"X-A: {'a' * 100_000}"),
        "many headers": raw("GET", "/", own, *(f"X-{n}: a" for n in range(2000))),
        "no version": b"GET /\r\n\r\n",
        "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "a method of control characters": raw("G\x01T", "/", own, cookie),
    }
    for name, sent in wrong.items():
        status = answer_to(
            shared_server, sent + (b"\r\n\r\n" if name == "another protocol" else b"")
        )
        assert re.match(r"$|HTTP/1\.[01] 4\d\d ", status), (name, status)
    right = raw("POST", "/runs/stop-all", own, cookie, token, origin, "Content-Length: 0")
    assert answer_to(shared_server, right).startswith("HTTP/1.1 303")
