"""WebSocket handshakes that are admitted."""

import pytest

from opcode_htmx.web.origin.hosts import same_origin
from tests.web.auth.gate.browsers import BASIC, ORIGIN, Browser, browser, log_in, make_app

UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}


def test_socket_with_cookie_and_own_origin_is_accepted(client: Browser) -> None:
    log_in(client)
    assert client.get("/socket", headers={**UPGRADE, "Origin": ORIGIN}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://192.168.1.5:9999"])
def test_a_socket_from_another_origin_is_refused(client: Browser, origin: str) -> None:
    log_in(client)
    assert client.get("/socket", headers={**UPGRADE, "Origin": origin}).status_code == 403
    basic = client.get("/socket", headers={**UPGRADE, "Origin": origin}, auth=BASIC)
    assert basic.status_code == 403


def test_a_socket_with_cookie_and_no_origin_is_refused(client: Browser) -> None:
    log_in(client)
    assert client.get("/socket", headers=UPGRADE).status_code == 403


def test_socket_with_basic_credentials_and_no_origin_is_accepted(client: Browser) -> None:
    assert client.get("/socket", headers=UPGRADE, auth=BASIC).status_code == 200


def test_a_socket_without_credentials_is_refused(client: Browser) -> None:
    assert client.get("/socket", headers={**UPGRADE, "Origin": ORIGIN}).status_code == 401


def test_an_allowed_origin_may_open_a_socket() -> None:
    app = make_app(allowed_origins=("https://Code.example:443/",))
    client = browser(app)
    log_in(client)
    headers_ = {**UPGRADE, "Origin": "https://code.example"}
    assert client.get("/socket", headers=headers_).status_code == 200


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://a:8080", "a:8080", True),
        ("https://a", "a", True),
        ("https://a", "a:443", True),
        ("http://A", "a:80", True),
        ("http://a", "a:443", False),
        ("http://a:8081", "a:8080", False),
        ("ftp://a", "a", False),
        ("null", "null", False),
        ("", "", False),
    ],
)
def test_origins_are_compared_with_the_host(origin: str, host: str, same: bool) -> None:
    assert same_origin(origin, host) is same
