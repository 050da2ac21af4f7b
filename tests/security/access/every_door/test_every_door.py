"""Every door of the app, found in its own URL map, refuses strangers and other sites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import BaseConverter

from opcode_htmx.web.origin.fetch_metadata import who_may_act
from tests.security.access.doors import HOST, ORIGIN, Door, Login, Visits, ask, doors_of, log_in
from tests.security.access.every_door.attack import (
    PUBLIC,
    Attack,
    changing,
    protected,
    shared_out,
)
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, basic_header, write_stand_in
from tests.support.fuzzing import rotated

FOR_SCRIPTS = {
    "GET /api/sessions/<either_id>/cancel",
    "HEAD /api/sessions/<either_id>/cancel",
}
"""The doors that change something by a safe method, for programs that can send no other."""

OTHER_PORT = "http://127.0.0.1:9999"
FOREIGN = ("https://evil.example", "null", OTHER_PORT, "http://127.0.0.1", "file://", "x")
SUBRESOURCE = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}


@pytest.fixture
def stranger(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The same app with another key: its cookies and tokens are well-formed and not ours."""
    sandbox = Sandbox(tmp_path_factory.mktemp("stranger") / "home").make()
    with app_of(sandbox, write_stand_in(sandbox.home / "claude")) as app:
        yield app


@pytest.fixture
def attack(app: Flask, visits: Visits, sandbox: Sandbox) -> Attack:
    return Attack(app, visits, sandbox)


# --- the map itself -------------------------------------------------------------------------


def test_each_endpoint_admits_its_owner(app: Flask, doors: list[Door], visits: Visits) -> None:
    """Without this, a door that refuses everybody would pass all of the other tests.

    Those of a GET that only shows are entered in test_get_only_shows.py."""
    closed = []
    login = log_in(app)

    def enter(door: Door) -> tuple[int, list[str]]:
        headers = basic_header() if str(door) in FOR_SCRIPTS else login.headers
        with visits.watch() as entered:
            return ask(app, door, headers).status_code, entered

    def shows(door: Door) -> bool:
        view = app.view_functions[door.endpoint]
        return door.method == "GET" and not door.is_socket and not who_may_act(view)

    heads = [door for door in doors if door.method == "HEAD"]  # each enters the view of a GET
    others = [door for door in doors if door not in heads and not shows(door)]
    for door in others + [*rotated(heads, 0)]:
        status, entered = enter(door)
        if status == 401:  # one before has ended the login
            login = log_in(app)
            status, entered = enter(door)
        # What acts has no HEAD
        opened = entered == [door.endpoint] or (door.method == "HEAD" and not entered)
        if not opened or status >= 500:
            closed.append(f"{door}: {status}")
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
    doors = protected(doors_of(stranger, {}))[::10]  # each of them is entered, and does its work
    attack = Attack(stranger, Visits(stranger), sandbox)
    assert len(attack.refused(doors, {}, 401)) == len(doors)


# --- without a login ------------------------------------------------------------------------


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
    for cookie, some in shared_out(protected(doors), cookies):
        assert attack.refused(some, {"Cookie": cookie, "Origin": ORIGIN}, 401) == []


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
    hosts = ("evil.example", f"evil.example:{HOST.partition(':')[2]}", f"{HOST},{HOST}", "a b")
    for host, some in shared_out(doors, hosts):
        headers = {**login.headers, "Host": host, "Origin": f"http://{host}"}
        assert attack.refused(some, headers, 421) == [], host


def test_no_change_is_made_without_the_token_of_the_login(
    app: Flask, attack: Attack, doors: list[Door], login: Login
) -> None:
    other = log_in(app)
    wrong = ("", other.token, "x" * len(login.token), f"{login.token}x", login.token[:-1])
    for token, some in shared_out(changing(doors), wrong):
        headers = {**login.headers, "X-CSRF-Token": token}
        assert attack.refused(some, headers, 403) == [], token
    # Credentials that a browser has stored prove no more than a cookie does
    headers = {**basic_header(), "Origin": ORIGIN}
    assert attack.refused(changing(doors), headers, 403) == []


def test_no_change_is_made_by_another_origin(
    attack: Attack, doors: list[Door], login: Login
) -> None:
    """Not even with the right token; another port of the same host is another origin."""
    unsafe = [door for door in doors if not door.is_safe]
    for origin, some in shared_out(unsafe, FOREIGN):
        assert attack.refused(some, {**login.headers, "Origin": origin}, 403) == [], origin
    for site, some in shared_out(unsafe, ("cross-site", "same-site", "same-origin, cross-site")):
        headers = {**login.headers, "Origin": "", "Sec-Fetch-Site": site}
        assert attack.refused(some, headers, 403) == [], site


def test_nothing_is_loaded_into_a_page_of_another_origin(
    attack: Attack, doors: list[Door], login: Login
) -> None:
    """The cookie goes along with what another port of the same host loads."""
    readable = [
        door
        for door in protected(doors, sockets=False)
        if door.is_safe and door.endpoint != "static"  # which holds nothing of anybody
    ]
    for site, some in shared_out(readable, ("cross-site", "same-site")):
        headers = {"Cookie": login.cookie, "Sec-Fetch-Site": site, **SUBRESOURCE}
        assert attack.refused(some, headers, 403) == [], site


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
