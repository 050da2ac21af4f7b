"""Cookies of logins: other ports of this host, and what is stored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask

from opcode_htmx.web.origin import own_addresses
from tests.security.access.logins.browsers import (
    BASIC,
    browser,
    cookie,
    files,
    log_in,
    thief_of,
    token,
)

# --- Other ports of this host ---------------------------------------------------------------


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine in a local network, with containers."""

    def found() -> dict[str, list[SimpleNamespace]]:
        return {
            "eth0": [SimpleNamespace(address="192.168.1.5", netmask="255.255.255.0")],
            "docker0": [SimpleNamespace(address="172.17.0.1", netmask="255.255.0.0")],
            "eth1": [
                SimpleNamespace(address="fe80::5%eth1", netmask="ffff:ffff:ffff:ffff::"),
                SimpleNamespace(address="00:11:22:33:44:55", netmask=None),
            ],
        }

    monkeypatch.setattr("psutil.net_if_addrs", found)
    monkeypatch.setattr(own_addresses, "_known", own_addresses._Known())


@pytest.mark.usefixtures("interfaces")
@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:192.168.1.5", True),
        ("192.168.1.5", True),
        ("172.17.3.4", True),
        ("fe80::5", True),
        ("192.168.1.7", False),
        ("fe80::6", False),
        ("", False),
    ],
)
def test_the_addresses_of_this_machine_and_its_containers_are_known(
    address: str, is_own: bool
) -> None:
    assert own_addresses.is_own(address) is is_own


@pytest.mark.usefixtures("interfaces")
def test_a_server_on_another_port_cannot_use_the_cookie_that_it_was_sent(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    client = log_in(app)
    thief = thief_of(client, app)
    for thief.address in ("127.0.0.1", "192.168.1.5", "172.17.0.2"):
        assert thief.get("/").status_code == 401
    assert caplog.text.count("came from this machine itself") == 1
    thief.address = "10.8.0.3"  # the phone, in another network
    assert thief.get("/").status_code == 200


@pytest.mark.usefixtures("interfaces")
def test_a_browser_on_this_machine_or_behind_a_proxy_on_it_uses_its_own_cookie(
    app: Flask,
) -> None:
    client = browser(app)
    client.address = "127.0.0.1"
    assert client.post("/login", data={"user": "opcode", "password": "right"}).status_code == 303
    assert client.get("/").status_code == 200
    client.address = "192.168.1.5"
    assert client.get("/").status_code == 200


# --- Stored data ----------------------------------------------------------------------------


def test_neither_the_cookie_nor_the_password_is_in_the_state_folder(
    app: Flask, tmp_path: Path
) -> None:
    client = log_in(app)
    browser(app).get("/", auth=BASIC)
    secret = cookie(client).partition(".")[2]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert secret.encode() not in kept
    assert b"right" not in kept
    for path in files(app):
        assert path.stat().st_mode & 0o777 == 0o600
    assert files(app)[0].parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("changed", ["id", "token", "short", "long", "newline"])
def test_a_cookie_that_was_changed_is_refused(app: Flask, changed: str) -> None:
    client = log_in(app)
    login_id, _, secret = cookie(client).partition(".")
    value = {
        "id": f"{'0' * 32}.{secret}",
        "token": f"{login_id}.{'A' * len(secret)}",
        "short": f"{login_id}.",
        "long": f"{login_id}.{secret * 9}",
        "newline": f"../{login_id}.{secret}",
    }[changed]
    answer = browser(app, use_cookies=False).get("/", headers={"Cookie": f"opcode_8080={value}"})
    assert answer.status_code == 401


def test_a_cookie_that_another_port_added_does_not_hide_ours(app: Flask) -> None:
    value = cookie(log_in(app))
    header = {"Cookie": f"opcode_8080=junk; opcode_8080={value}"}
    assert browser(app, use_cookies=False).get("/", headers=header).status_code == 200


def test_over_https_the_cookie_can_be_set_by_https_only(app: Flask) -> None:
    client = browser(app)
    over_https = {"wsgi.url_scheme": "https"}
    answer = client.get("/", auth=BASIC, environ_overrides=over_https)
    header = answer.headers["Set-Cookie"]
    assert header.startswith("__Host-opcode_8080=")
    assert all(part in header for part in ("; Secure", "HttpOnly", "Path=/", "SameSite=Strict"))
    assert "Domain" not in header


def test_basic_in_a_browser_makes_one_login_whatever_it_asks_for(app: Flask) -> None:
    cookies = set()
    for _ in range(3):
        answer = browser(app).get("/", auth=BASIC)
        cookies.add(answer.headers["Set-Cookie"].partition(";")[0])
    assert len(cookies) == 1
    assert len(files(app)) == 1
    header = {"Cookie": cookies.pop()}
    assert browser(app, use_cookies=False).get("/", headers=header).status_code == 200
    assert len(files(app)) == 1


def test_the_cookie_of_a_login_by_basic_that_ended_stays_ended(app: Flask) -> None:
    client = browser(app)
    client.get("/", auth=BASIC)
    thief = thief_of(client, app)
    client.post("/logout", data={"csrf_token": token(client)})
    browser(app).get("/", auth=BASIC)  # as the browser does by itself
    assert thief.get("/").status_code == 401


def test_the_api_makes_no_login_of_basic(app: Flask) -> None:
    answer = browser(app, "curl/8").get("/api/none", auth=BASIC)
    assert answer.status_code == 404
    assert files(app) == []
