"""An app with logins, and browsers that log in at it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.web.auth.logins import Logins
from opcode_htmx.web.http import errors, filters, headers
from tests.support.apps.gate import access
from tests.support.environment import ROOT

HOST = "192.168.1.5:8080"
PHONE = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Mobile Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
)
BASIC = ("opcode", "right")


def make_app(state: Path, password: str = BASIC[1]) -> Flask:
    app = Flask(
        __name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static")
    )
    gate, app.extensions["logins"] = access(state, "opcode", password)
    gate.init_app(app)
    headers.register(app)
    filters.register(app)
    errors.register(app, {})
    app.add_url_rule("/", "home", lambda: "home")
    return app


class Browser(FlaskClient):
    """A client that keeps cookies, in the local network."""

    user_agent = ""
    address = "192.168.1.7"

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        always = {"Host": HOST, "User-Agent": self.user_agent}
        kwargs["headers"] = {**always, **(kwargs.get("headers") or {})}
        return super().open(*args, environ_base={"REMOTE_ADDR": self.address}, **kwargs)


def browser(app: Flask, user_agent: str = PHONE, *, use_cookies: bool = True) -> Browser:
    client = Browser(app, app.response_class, use_cookies=use_cookies)
    client.user_agent = user_agent
    return client


def log_in(app: Flask, user_agent: str = PHONE) -> Browser:
    client = browser(app, user_agent)
    form = {"user": "opcode", "password": "right"}
    assert client.post("/login", data=form).status_code == 303
    return client


def token(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', client.get("/logins").text)
    assert found
    return found[1]


def cookie(client: FlaskClient) -> str:
    found = client.get_cookie("opcode_8080", domain=HOST.partition(":")[0])
    assert found
    return found.value


def thief_of(client: FlaskClient, app: Flask) -> Browser:
    """A browser with a copy of the cookie."""
    thief = browser(app)
    thief.set_cookie("opcode_8080", cookie(client), domain=HOST.partition(":")[0])
    assert thief.get("/").status_code == 200
    return thief


def files(app: Flask) -> list[Path]:
    logins: Logins = app.extensions["logins"]
    return sorted(logins.folder.glob("*.json"))
