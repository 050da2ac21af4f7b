"""Logins are ended: a copy of a cookie ends with its login."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from tests.security.access.logins.browsers import (
    HOST,
    IPHONE,
    browser,
    cookie,
    files,
    log_in,
    make_app,
    thief_of,
    token,
)


def test_a_copy_of_the_cookie_opens_nothing_after_logging_out(app: Flask) -> None:
    client = log_in(app)
    thief = thief_of(client, app)
    assert client.post("/logout", data={"csrf_token": token(client)}).status_code == 303
    assert thief.get("/").status_code == 401
    assert client.get("/").status_code == 401
    assert files(app) == []


def test_a_login_that_was_ended_opens_no_page_and_leaves_the_others(app: Flask) -> None:
    client, other = log_in(app), log_in(app, IPHONE)
    (ended,) = re.findall(r'id="login-([0-9a-f]{32})">Safari on iPhone', client.get("/logins").text)
    answer = client.post(f"/logins/{ended}/end", data={"csrf_token": token(client)})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/logins")
    assert other.get("/").status_code == 401
    assert client.get("/").status_code == 200
    again = client.post(f"/logins/{ended}/end", data={"csrf_token": token(client)})
    assert again.status_code == 404
    assert "has ended already" in again.text


def test_ending_the_own_login_logs_out(app: Flask) -> None:
    client = log_in(app)
    own = files(app)[0].stem
    answer = client.post(f"/logins/{own}/end", data={"csrf_token": token(client)})
    assert answer.headers["Location"] == "/login"
    assert client.get("/").status_code == 401


def test_log_out_everywhere_ends_every_login(app: Flask) -> None:
    clients = [log_in(app) for _ in range(3)]
    thief = thief_of(clients[1], app)
    answer = clients[0].post("/logins/end-all", data={"csrf_token": token(clients[0])})
    assert answer.headers["Location"] == "/login"
    assert {each.get("/").status_code for each in (*clients, thief)} == {401}


def test_ending_needs_the_token_of_the_own_login(app: Flask) -> None:
    client, other = log_in(app), log_in(app)
    for path in ("/logout", "/logins/end-all", f"/logins/{files(app)[0].stem}/end"):
        for given in ("", token(other)):
            assert client.post(path, data={"csrf_token": given}).status_code == 403
    assert len(files(app)) == 2


def test_logging_in_again_ends_the_login_that_the_browser_had(app: Flask) -> None:
    client = log_in(app)
    thief = thief_of(client, app)
    client.post("/login", data={"user": "opcode", "password": "right"})
    assert client.get("/").status_code == 200
    assert thief.get("/").status_code == 401


def test_a_login_outlives_the_server_and_ends_with_the_password(tmp_path: Path) -> None:
    state = tmp_path / "state"
    client = log_in(make_app(state))
    assert thief_of(client, make_app(state)).get("/").status_code == 200
    changed = make_app(state, "other")
    later = browser(changed)
    later.set_cookie("opcode_8080", cookie(client), domain=HOST.partition(":")[0])
    assert later.get("/").status_code == 401
    assert changed.extensions["logins"].all() == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"version": 9}',
        b'{"a": ' + b"[" * 100_000,
        b"\xff",
        b'{"token": 1}',
    ],
    ids=range(8),
)
def test_a_login_file_that_is_damaged_ends_that_login_only(app: Flask, content: bytes) -> None:
    client, other = log_in(app), log_in(app)
    damaged = app.extensions["logins"].folder / f"{cookie(client)[:32]}.json"
    damaged.write_bytes(content)
    assert client.get("/").status_code == 401
    page = other.get("/logins")
    assert page.status_code == 200
    assert page.text.count('class="row-title') == 1
    log_in(app)  # which tidies up, and leaves alone what cannot be read
    assert damaged.exists()
