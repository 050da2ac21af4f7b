"""The page of logins: devices and their names."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from opcode_htmx.web.auth.devices import device
from tests.security.access.logins.browsers import (
    BASIC,
    IPHONE,
    PHONE,
    Browser,
    browser,
    cookie,
    files,
    log_in,
    token,
)


def test_the_list_names_device_address_and_which_one_this_is(app: Flask) -> None:
    log_in(app, IPHONE)
    client = log_in(app)
    text = client.get("/logins").text
    assert "Safari on iPhone" in text
    assert "Chrome on Android · this device" in text
    assert "from 192.168.1.7" in text


def rename(client: Browser, login_id: str, name: str) -> TestResponse:
    form = {"name": name, "csrf_token": token(client)}
    return client.post(f"/logins/{login_id}/rename", data=form)


def test_a_login_is_renamed_and_takes_its_name_back(app: Flask) -> None:
    client = log_in(app)
    (login,) = files(app)
    before = login.stat().st_mtime_ns, login.read_bytes()
    assert rename(client, login.stem, " Work\u202e\u200b  phone ").status_code == 303
    text = client.get("/logins").text
    assert "“Work phone” now" in text
    assert "Work phone · this device" in text
    assert "Chrome on Android" in text
    assert "“Work phone” now" not in client.get("/logins").text, "it is said once"
    assert (login.stat().st_mtime_ns, login.read_bytes()) == before
    assert login.with_suffix(".name").stat().st_mode & 0o777 == 0o600
    rename(client, login.stem, "")
    assert "Work" not in client.get("/logins").text.partition('<ul class="list">')[2]


def test_a_name_ends_with_its_login(app: Flask) -> None:
    client, other = log_in(app), log_in(app, IPHONE)
    theirs = cookie(other)[:32]
    rename(client, theirs, "<b>Tablet</b>")
    form = {"csrf_token": token(client)}
    client.post(f"/logins/{theirs}/end", data=form)
    text = client.get("/logins").text
    assert "“&lt;b&gt;Tablet&lt;/b&gt;” was logged out." in text
    assert rename(client, theirs, "Back").status_code == 404
    folder = files(app)[0].parent
    assert list(folder.glob("*.name")) == []
    (folder / f"{'0' * 32}.name").write_text('{"name": "named while it ended"}')
    log_in(app)
    assert list(folder.glob("*.name")) == []


def test_what_was_ended_is_said_once(app: Flask) -> None:
    client = log_in(app)
    client.post("/logout", data={"csrf_token": token(client)})
    assert "You are logged out." in client.get("/login").text
    assert "You are logged out." not in client.get("/login").text
    client = log_in(app)
    client.post("/logins/end-all", data={"csrf_token": token(client)})
    assert "Every device was logged out." in client.get("/login").text


def test_the_list_says_how_each_device_logged_in(app: Flask) -> None:
    client = log_in(app)
    browser(app, IPHONE).get("/", auth=BASIC)
    old = files(app)[0].parent / f"{'a' * 32}.json"
    content = json.loads(files(app)[0].read_bytes())
    content.pop("how")  # as earlier versions wrote it
    old.write_text(json.dumps(content))
    text = client.get("/logins").text
    assert text.count('class="row-title') == 3
    assert [text.count(way) for way in ("with the password", "browser&#39;s dialog")] == [1, 1]


def test_device_name_is_escaped(app: Flask) -> None:
    client = log_in(app, "<b>Edg\u202e</b>/1")
    text = client.get("/logins").text
    assert "<b>" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (PHONE, "Chrome on Android"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) Gecko/2010 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 CriOS/140.0 Safari/604.1", "Chrome on iPhone"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.34.2", "python-requests"),
        ("", "Unknown device"),
        ("\u202e\u200b/1", "Unknown device"),
        ("x" * 5000, "x" * 40),
    ],
)
def test_a_device_is_named_in_a_few_words(user_agent: str, words: str) -> None:
    assert device(user_agent) == words
