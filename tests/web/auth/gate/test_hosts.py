"""Hosts that are served, and those that are refused."""

import socket

import pytest

from opcode_htmx.web.origin.hosts import host_name
from tests.web.auth.gate.browsers import BASIC, browser, make_app


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "[::1]:8080",
        "localhost",
        "10.1.2.3",
        "box.lan:8080",
        "BOX.LAN",
        "code.example",
        socket.gethostname(),
        f"{socket.gethostname().split('.')[0]}.local:8080",
    ],
)
def test_known_hosts_are_served(host: str) -> None:
    app = make_app(allowed_hosts=("box.lan",), allowed_origins=("https://code.example",))
    assert browser(app, host).get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "a b", "x:y", "1.2.3.4/x"],
)
def test_an_unknown_host_is_refused_with_421_even_with_the_password(host: str) -> None:
    response = browser(make_app(), host).get("/page", auth=BASIC)
    assert response.status_code == 421
    assert "OPCODE_ALLOWED_HOSTS" in response.text


@pytest.mark.parametrize(
    ("host", "name"), [("[::1]:80", "::1"), ("Box.:1", "box"), ("a:b", None), ("a@b", None)]
)
def test_a_host_header_is_taken_apart(host: str, name: str | None) -> None:
    assert host_name(host) == name
