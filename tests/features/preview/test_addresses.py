"""Under which addresses a browser is offered previews, by the way it came in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from flask import Flask

from opcode_htmx.features.preview.addresses import Addresses
from opcode_htmx.web.server import preview_ports


@pytest.fixture(autouse=True)
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_ports, "listening", lambda: (18080, 18081))


def offered(came_by: str, origins: Sequence[str] = ()) -> list[str]:
    with Flask(__name__).test_request_context("/", base_url=came_by):
        return list(Addresses(8080, origins).ports().values())


@pytest.mark.parametrize("name", ["192.168.1.5", "box.local", "[::1]"])
def test_who_comes_without_a_proxy_finds_the_ports_under_the_same_name(name: str) -> None:
    found = offered(f"http://{name}:8080")
    assert found == [f"http://{name}:18080", f"http://{name}:18081"]


@pytest.mark.parametrize("came_by", ["https://box.example", "http://box.example", "http://b.c:80"])
def test_behind_a_proxy_that_nothing_is_known_of_none_is_offered(came_by: str) -> None:
    assert offered(came_by) == []


def test_addresses_of_a_proxy_are_offered_where_the_cookie_of_the_login_is_sent() -> None:
    origins = ("https://box.example:8443", "https://other.example")
    assert offered("https://box.example", origins) == ["https://box.example:8443"]
    assert offered("http://192.168.1.5:8080", origins) == []
    assert offered("https://box.example", ("http://box.example:1",)) == [], "a Secure cookie is not"
