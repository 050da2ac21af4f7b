"""Pairing codes: a code logs in one device, once, within two minutes, and by a POST of our page."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from flask import Flask

from opcode_htmx.web.auth.pairing import (
    LIFETIME,
    MOST_CODES,
    PairingCodes,
    PairingState,
    grouped,
)
from tests.security.access.logins.browsers import (
    HOST,
    IPHONE,
    browser,
    files,
    log_in,
    make_app,
    token,
)
from tests.support.apps.gate import FOREIGN_SOURCES

OWN = {"Origin": f"http://{HOST}"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def codes(tmp_path: Path, clock: Clock) -> PairingCodes:
    return PairingCodes(tmp_path / "pairing", clock)


def everything_in(folder: Path) -> bytes:
    """The names and the contents of all files."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return b"\n".join(str(path).encode() + path.read_bytes() for path in found)


# Codes ------------------------------------------------------------------------------------------


def test_a_code_is_redeemed_once(codes: PairingCodes) -> None:
    secret, code = codes.create("maker")
    assert codes.redeem(secret) == code
    assert codes.redeem(secret) is None


def test_of_many_that_redeem_a_code_at_the_same_time_one_gets_it(tmp_path: Path) -> None:
    each = 12
    for _ in range(10):
        folder = tmp_path / "pairing"
        secret, _ = PairingCodes(folder).create()
        barrier = Barrier(each)

        def redeem(folder: Path = folder, secret: str = secret, barrier: Barrier = barrier) -> bool:
            worker = PairingCodes(folder)
            barrier.wait()
            return worker.redeem(secret) is not None

        with ThreadPoolExecutor(each) as pool:
            won = [pool.submit(redeem) for _ in range(each)]
        assert sum(future.result() for future in won) == 1


def test_a_code_ends_after_two_minutes_and_not_later_by_a_clock_set_back(
    codes: PairingCodes, clock: Clock
) -> None:
    assert LIFETIME == 120
    (early, _), (late, _), (back, _) = (codes.create(str(number)) for number in range(3))
    clock.now += LIFETIME - 1
    assert codes.redeem(early)
    clock.now += 1
    assert codes.redeem(late) is None
    clock.now -= 2 * LIFETIME
    assert codes.redeem(back) is None


def test_only_the_hash_of_a_code_is_stored_privately(codes: PairingCodes, tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        secret, code = codes.create("maker")
        path = tmp_path / "pairing" / f"{code.id}.json"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert secret.encode() not in everything_in(tmp_path)
        codes.redeem(secret)
        codes.record_use(code, "Phone")
        assert path.with_suffix(".used").stat().st_mode & 0o777 == 0o600
        assert secret.encode() not in everything_in(tmp_path)
    finally:
        os.umask(previous)


def test_a_code_has_more_than_128_bits(codes: PairingCodes) -> None:
    secrets = {codes.create(str(number))[0] for number in range(50)}
    assert len(secrets) == 50
    letters = set("".join(secrets))
    assert len(letters) > 25
    assert min(map(len, secrets)) * 4.9 > 128  # 31 letters: 4.95 bits each


@pytest.mark.parametrize(
    "typed",
    [
        lambda secret: f"http://192.168.1.5:8080/pair#{secret}",
        lambda secret: grouped(secret).upper(),
        lambda secret: f" {secret}\n",
    ],
)
def test_a_code_may_be_typed_in_groups_or_pasted_as_a_link(codes: PairingCodes, typed) -> None:  # type: ignore[no-untyped-def]
    secret, code = codes.create()
    assert codes.redeem(typed(secret)) == code


@pytest.mark.parametrize("typed", ["", "x", "../password", "a" * 28, "#", "\0", "a" * 100_000])
def test_what_is_no_code_redeems_nothing(codes: PairingCodes, typed: str) -> None:
    secret, _ = codes.create()
    assert codes.redeem(typed) is None
    assert codes.redeem(secret[:-1]) is None
    assert codes.redeem(secret)


def test_a_new_code_replaces_that_of_the_same_login_and_the_oldest_beyond_the_limit(
    codes: PairingCodes, clock: Clock
) -> None:
    first, _ = codes.create("one")
    other, _ = codes.create("two")
    again, _ = codes.create("one")
    assert [bool(codes.redeem(each)) for each in (first, other, again)] == [False, True, True]
    many = []
    for number in range(MOST_CODES + 1):
        clock.now += 1
        many.append(codes.create(str(number))[0])
    assert [bool(codes.redeem(each)) for each in (many[0], many[1], many[-1])] == [
        *(False, True, True)
    ]


def test_the_use_of_a_code_is_remembered_for_the_page_that_shows_it(
    codes: PairingCodes, clock: Clock, tmp_path: Path
) -> None:
    secret, code = codes.create("one")
    assert codes.state(code.id) == PairingState("waiting")
    codes.redeem(secret)
    codes.record_use(code, "Phone")
    used = tmp_path / "pairing" / f"{code.id}.used"
    os.utime(used, (clock.now, clock.now))  # the system's clock is another one
    assert codes.state(code.id) == PairingState("used", "Phone")
    _, unused = codes.create("one")
    clock.now += LIFETIME
    for name in (unused.id, "0" * 64, "", "../logins", f"{code.id}\n"):
        assert codes.state(name) == PairingState("over")
    assert codes.state(code.id).kind == "used"
    clock.now += 500
    codes.create("two")
    assert codes.state(code.id) == PairingState("over")
    assert len(list((tmp_path / "pairing").iterdir())) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 2}', b'{"version": 1}', b"\xff"]
)
def test_a_damaged_code_is_not_valid(codes: PairingCodes, tmp_path: Path, content: bytes) -> None:
    secret, code = codes.create()
    (tmp_path / "pairing" / f"{code.id}.json").write_bytes(content)
    assert codes.redeem(secret) is None
    assert codes.state(code.id) == PairingState("over")


# The page ---------------------------------------------------------------------------------------


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
