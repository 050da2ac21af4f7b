"""Behind a trusted proxy the client's address counts; what anybody else claims is ignored."""

from __future__ import annotations

import logging
import runpy
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from flask import Flask
from gunicorn.config import Config

from opcode_htmx.config.settings import Settings, SettingsError
from opcode_htmx.web.server.trusted_proxies import client_address
from tests.security.access.doors import HOST
from tests.support.apps.in_process import app_of
from tests.support.environment import PASSWORD, ROOT, USER, Sandbox

PROXIES = tuple(map(ip_network, ("127.0.0.1", "10.0.0.0/24", "fd00::/64")))


@pytest.mark.parametrize(
    ("peer", "sent", "client"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.7", "203.0.113.9:51000", "203.0.113.9"),
        ("::ffff:10.0.0.7", "203.0.113.9", "203.0.113.9"),
        ("fd00::5", "[2001:db8::1]:443", "2001:db8::1"),
        ("127.0.0.1", "2001:db8::1", "2001:db8::1"),
        # a chain of proxies: read from its end, to the first that is not trusted
        ("127.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("127.0.0.1", "10.0.0.8,10.0.0.7", "10.0.0.8"),
        # the client has sent a header of its own, which the proxy appends to
        ("127.0.0.1", "127.0.0.1, 203.0.113.9", "203.0.113.9"),
        # nobody's proxy
        ("203.0.113.9", "127.0.0.1", "203.0.113.9"),
        ("10.0.1.7", "198.51.100.1", "10.0.1.7"),
        ("", "198.51.100.1", ""),
        # what is no address ends the chain
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9, _hidden", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1, nonsense, 10.0.0.7", "10.0.0.7"),
        ("127.0.0.1", "1" * 5000, "127.0.0.1"),
        ("127.0.0.1", ",".join(["10.0.0.7"] * 5000), "10.0.0.7"),
    ],
)
def test_the_client_is_the_last_that_no_trusted_proxy_vouches_for(
    peer: str, sent: str, client: str
) -> None:
    assert client_address(peer, sent, PROXIES) == client


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path, request: pytest.FixtureRequest) -> Iterator[Flask]:
    with app_of(sandbox, stand_in, jobs=False, **getattr(request, "param", {})) as app:
        yield app


def failures(app: Flask, forwarded_for: str, times: int = 12) -> list[int]:
    """The answers to wrong passwords from this machine, which claims to forward another."""
    client = app.test_client()
    return [
        client.post(
            "/login",
            data={"user": USER, "password": "wrong"},
            headers={"Host": HOST, "X-Forwarded-For": forwarded_for},
        ).status_code
        for _ in range(times)
    ]


@pytest.mark.parametrize("app", [{"OPCODE_TRUSTED_PROXIES": "127.0.0.1"}], indirect=True)
def test_login_limits_count_each_client_of_a_trusted_proxy(app: Flask) -> None:
    assert failures(app, "203.0.113.9")[-1] == 429
    assert failures(app, "198.51.100.1", 1) == [401]
    right = app.test_client().post(
        "/login",
        data={"user": USER, "password": PASSWORD},
        headers={"Host": HOST, "X-Forwarded-For": "198.51.100.1"},
    )
    assert right.status_code == 303


@pytest.mark.parametrize(
    "app", [{}, {"OPCODE_TRUSTED_PROXIES": "10.0.0.7"}], indirect=True, ids=["none", "another"]
)
def test_an_invented_address_evades_no_login_limit(app: Flask) -> None:
    assert failures(app, "203.0.113.9", 10)[-1] == 401
    assert failures(app, "198.51.100.1", 1) == [429]


def test_a_login_through_an_unnamed_proxy_is_logged_once(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "opcode_htmx.web.server.trusted_proxies"):
        failures(app, "203.0.113.9", 3)
    assert [each.message for each in caplog.records if "OPCODE_TRUSTED" in each.message] == [
        "A login came through a proxy at 127.0.0.1 that is not named in OPCODE_TRUSTED_PROXIES: "
        "the failed logins of all its clients count as those of one."
    ]


@pytest.mark.parametrize("value", ["proxy.lan", "10.0.0.1/24", "10.0.0.300", "*"])
def test_a_proxy_that_is_no_address_is_refused(sandbox: Sandbox, value: str) -> None:
    with pytest.raises(SettingsError, match="^OPCODE_TRUSTED_PROXIES must list addresses"):
        Settings.from_env({**sandbox.environment(), "OPCODE_TRUSTED_PROXIES": value})


@pytest.mark.parametrize(
    ("value", "believed"),
    [
        ("", ["127.0.0.1", "::1"]),
        ("10.0.0.7, fd00::/64,", ["127.0.0.1", "::1", "10.0.0.7", "fd00::/64"]),
    ],
)
def test_the_same_proxies_may_say_that_a_request_came_by_https(
    monkeypatch: pytest.MonkeyPatch, value: str, believed: list[str]
) -> None:
    monkeypatch.setenv("OPCODE_TRUSTED_PROXIES", value)
    config = Config()
    config.set(
        "forwarded_allow_ips", runpy.run_path(str(ROOT / "gunicorn.conf.py"))["forwarded_allow_ips"]
    )
    assert config.forwarded_allow_ips == believed


def test_no_client_moves_the_app_to_another_path() -> None:
    """Proxies let SCRIPT_NAME through, and gunicorn would take it from this machine."""
    config = Config()
    found = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    config.set("forwarder_headers", found["forwarder_headers"])
    assert config.forwarder_headers == []
