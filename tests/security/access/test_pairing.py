"""A pairing code logs in one device, by a POST, and ends with the login that made it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from opcode_htmx.web.auth.pairing import PairingCodes
from tests.security.access.logins.browsers import (
    HOST,
    IPHONE,
    browser,
    files,
    log_in,
    make_app,
    token,
)
from tests.security.access.stored import everything_in
from tests.support.apps.gate import FOREIGN_SOURCES

OWN = {"Origin": f"http://{HOST}"}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def app(state: Path) -> Flask:
    return make_app(state)


@pytest.fixture
def made(app: Flask, state: Path) -> Iterator[str]:
    """The secret of a valid code."""
    yield PairingCodes(state / "pairing").create()[0]


def test_a_code_logs_in_a_device_under_its_name(app: Flask, made: str) -> None:
    phone = browser(app)
    page = phone.get("/pair")
    assert page.status_code == 200
    assert re.search(r"Sign in as\s*<bdi[^>]*>Chrome on Android<", page.text)
    answer = phone.post("/pair", data={"code": made}, headers=OWN)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert phone.get("/").text == "home"
    listed = phone.get("/logins").text
    assert "Chrome on Android · this device" in listed
    assert "by QR code" in listed


def test_a_device_may_be_named_where_it_signs_in(app: Flask, made: str) -> None:
    phone = browser(app)
    name = "  Ann\u202e's\u200b <b>Händi</b>\n" + "x" * 100
    assert phone.post("/pair", data={"code": made, "name": name}).status_code == 303
    listed = phone.get("/logins").text
    assert "Ann &#39;s &lt;b&gt;Händi&lt;/b&gt; xxxx" in listed
    assert "x" * 40 not in listed


def test_a_code_that_was_used_logs_in_nobody_in_any_worker(state: Path, made: str) -> None:
    one, another = make_app(state), make_app(state)
    assert browser(one).post("/pair", data={"code": made}).status_code == 303
    for app in (one, another):
        thief = browser(app, IPHONE)
        answer = thief.post("/pair", data={"code": made})
        assert (answer.status_code, "not valid any more" in answer.text) == (401, True)
        assert "Set-Cookie" not in answer.headers
        assert made not in answer.text
        assert thief.get("/").status_code == 401
    assert len(files(one)) == 1


def test_a_prefetch_or_the_preview_of_a_link_uses_up_no_code(app: Flask, made: str) -> None:
    for headers in ({"Sec-Purpose": "prefetch"}, {"User-Agent": "WhatsApp/2"}, {}):
        for method in ("GET", "HEAD", "OPTIONS"):
            # Even if somebody puts the code where it does not belong
            browser(app).open(f"/pair?code={made}", method=method, headers=headers)
    assert browser(app).post(f"/pair?code={made}").status_code == 401
    assert browser(app).post("/pair", data={"code": made}).status_code == 303


@pytest.mark.parametrize("foreign", FOREIGN_SOURCES)
def test_a_page_elsewhere_logs_nobody_in_by_a_code(
    app: Flask, made: str, foreign: dict[str, str]
) -> None:
    victim = browser(app)
    answer = victim.post("/pair", data={"code": made}, headers=foreign)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert victim.get("/").status_code == 401
    assert browser(app).post("/pair", data={"code": made}).status_code == 303, "it is still valid"


def test_guesses_are_limited_together_with_passwords(app: Flask, made: str) -> None:
    client = browser(app)
    for number in range(10):
        path, name = ("/pair", "code") if number % 2 else ("/login", "password")
        assert client.post(path, data={name: "x" * 28, "user": "opcode"}).status_code == 401
    refused = client.post("/pair", data={"code": made})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "Too many failed logins" in refused.text
    other = browser(app)
    other.address = "10.0.0.9"
    assert other.post("/pair", data={"code": made}).status_code == 303, "it was not looked at"


def test_a_code_ends_with_the_login_that_made_it(app: Flask, state: Path) -> None:
    thief = log_in(app, IPHONE)
    (login,) = files(app)
    secret, _ = PairingCodes(state / "pairing").create(login.stem)
    assert thief.post("/logout", data={"csrf_token": token(thief)}).status_code == 303
    assert browser(app).post("/pair", data={"code": secret}).status_code == 401


def test_log_out_everywhere_revokes_every_code(app: Flask, made: str) -> None:
    person = log_in(app)
    assert person.post("/logins/end-all", data={"csrf_token": token(person)}).status_code == 303
    assert browser(app).post("/pair", data={"code": made}).status_code == 401


def test_a_device_that_signs_in_again_keeps_no_earlier_login(app: Flask, made: str) -> None:
    phone = log_in(app)
    assert "logged in already" in phone.get("/pair").text
    assert phone.post("/pair", data={"code": made}, headers=OWN).status_code == 303
    assert len(files(app)) == 1


def test_the_secret_is_neither_logged_nor_stored_nor_sent_back(
    app: Flask, state: Path, made: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        phone = browser(app)
        answer = phone.post("/pair", data={"code": made})
        again = phone.post("/pair", data={"code": made})
    assert "action=login" in caplog.text
    assert "how=code" in caplog.text
    assert made not in caplog.text + str(answer.headers) + str(again.headers) + again.text
    assert made.encode() not in everything_in(state)


def test_a_large_body_is_not_read(app: Flask, made: str) -> None:
    answer = browser(app).post("/pair", data={"code": made, "name": "x" * 9000})
    assert answer.status_code == 413
    assert browser(app).post("/pair", data={"code": made}).status_code == 303
