"""The identity of a request: of a login by cookie, or of HTTP Basic."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, jsonify

from opcode_htmx.lib.audit_log import LOGGER
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.logins import Logins
from opcode_htmx.web.http import filters
from tests.support.apps.gate import access
from tests.support.environment import ROOT

BASIC = ("opcode", "right")
FORM = {"user": "opcode", "password": "right"}


@pytest.fixture
def made(tmp_path: Path) -> tuple[Flask, Logins]:
    app = Flask(
        __name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static")
    )
    gate, logins = access(tmp_path / "state", *BASIC)
    gate.init_app(app)
    filters.register(app)

    @app.get("/me")
    def me() -> Response:
        return jsonify(current_identity().as_json())

    @app.get("/form")
    def form() -> str:
        token: Any = app.jinja_env.globals["csrf_token"]
        return str(token())

    @app.get("/healthz")
    def healthz() -> str:
        with pytest.raises(RuntimeError, match="not authenticated"):
            current_identity()
        return "ok"

    return app, logins


def test_a_request_by_basic_is_the_user_without_a_login(made: tuple[Flask, Logins]) -> None:
    answer = made[0].test_client().get("/me", auth=BASIC)
    assert answer.get_json() == {"user": "opcode", "login": "", "roles": ["owner"]}


def test_a_request_by_cookie_is_the_user_with_its_login(made: tuple[Flask, Logins]) -> None:
    app, logins = made
    client = app.test_client()
    assert client.post("/login", data=FORM).status_code == 303
    (login,) = logins.all()
    answer = client.get("/me").get_json()
    assert answer == {"user": "opcode", "login": login.id, "roles": ["owner"]}


def test_public_endpoint_has_no_identity(made: tuple[Flask, Logins]) -> None:
    assert made[0].test_client().get("/healthz").text == "ok"


def test_login_and_logout_are_logged_with_their_actor(
    made: tuple[Flask, Logins], caplog: pytest.LogCaptureFixture
) -> None:
    app, logins = made
    client = app.test_client()
    with caplog.at_level(logging.INFO, LOGGER):
        client.post("/login", data=FORM, headers={"User-Agent": "curl/8"})
        (login,) = logins.all()
        token = client.get("/form").text
        assert re.fullmatch(r"[0-9a-f]{64}", token)
        assert client.post("/logout", data={"csrf_token": token}).status_code == 303
    actor = f"actor=opcode/{login.id[:8]}"
    assert [each.getMessage() for each in caplog.records if each.name == LOGGER] == [
        f"{actor} action=login session=- run=- device=curl how=password",
        f"{actor} action=logout session=- run=- login={login.id[:8]}",
    ]
    assert login.id not in caplog.text
