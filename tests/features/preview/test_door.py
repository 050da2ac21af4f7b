"""Who passes the door of a preview's port, below a base path too; and the page of previews."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.web.server import preview_ports
from tests.support.apps.in_process import app_of
from tests.support.environment import PASSWORD, USER, Sandbox

APP, PREVIEW, OTHER = (f"http://127.0.0.1:{port}" for port in (8080, 18080, 18081))


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr(preview_ports, "listening", lambda: (18080, 18081))
    with app_of(sandbox, stand_in, jobs=False, OPCODE_BASE_PATH="/opcode") as app:
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser that has logged in."""
    client = app.test_client()
    form = {"user": USER, "password": PASSWORD}
    assert client.post("/opcode/login", data=form, base_url=APP).status_code == 303
    return client


def test_below_a_base_path_a_port_gives_a_cookie_of_its_own_for_the_login(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    def at(origin: str, path: str = "/") -> TestResponse:
        return client.get(path, base_url=origin)

    refused = at(PREVIEW, "/cart?a=1")
    assert refused.status_code == 401
    assert 'href="/opcode/preview/enter"' in refused.text
    assert f'href="{APP}/opcode/"' in refused.text
    entered = at(PREVIEW, "/opcode/preview/enter")
    assert (entered.status_code, entered.headers["Location"]) == (303, "/")
    for wanted, location in (
        ("%2Fcart%3Fa%3D1%23b", "/cart?a=1#b"),
        ("%2F%2Fevil.example", "/"),
        ("http%3A%2F%2Fevil.example", "/"),
        ("%2F%5Cevil.example", "/"),
        ("%2Fa%0D%0AX%3A%201", "/"),
    ):
        led = at(PREVIEW, f"/opcode/preview/enter?to={wanted}")
        assert (led.status_code, led.headers["Location"]) == (303, location)
    name, _, value = entered.headers["Set-Cookie"].partition(";")[0].partition("=")
    assert name == "opcode_preview_18080"
    assert entered.headers["Set-Cookie"].endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert at(PREVIEW).status_code == 404, "nothing is opened there"
    assert at(OTHER).status_code == 401
    client.set_cookie("opcode_preview_18081", value, domain="127.0.0.1")
    assert at(OTHER).status_code == 401, "it is for one port"
    client.set_cookie("opcode_8080", value, domain="127.0.0.1")
    assert at(APP, "/opcode/logins").status_code == 200
    client.delete_cookie("opcode_8080", domain="127.0.0.1", path="/opcode")
    assert at(APP, "/opcode/logins").status_code == 401, "it is no login"
    for each in (sandbox.state / "logins").glob("*.json"):
        each.unlink()
    assert at(PREVIEW).status_code == 401


def test_nothing_of_the_app_is_served_at_a_port_for_previews(client: FlaskClient) -> None:
    client.get("/opcode/preview/enter", base_url=PREVIEW)
    for path in ("/opcode/logins", "/opcode/static/style.css", "/opcode/healthz", "/healthz"):
        answer = client.get(path, base_url=PREVIEW)
        assert (answer.status_code, "No preview" in answer.text) == (404, True)
    assert client.post("/opcode/logout", base_url=PREVIEW).status_code == 404
    assert client.get("/opcode/healthz", base_url=APP).status_code == 200
