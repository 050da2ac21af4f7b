"""An app behind the gate, and browsers at it."""

import re
from pathlib import Path
from typing import Any

from flask import Flask, g
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.web.auth.login import DEFAULT_HINTS, LoginHints
from opcode_htmx.web.http import errors, filters, headers
from tests.support.apps.gate import KEY, access
from tests.support.environment import ROOT

HOST = "192.168.1.5:8080"
ORIGIN = f"http://{HOST}"
BASIC = ("opcode", "right")

STATE = {"folder": Path()}


def make_app(
    password: str = BASIC[1],
    key: bytes = KEY,
    hints: LoginHints = DEFAULT_HINTS,
    **allowed: tuple[str, ...],
) -> Flask:
    app = Flask(
        __name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static")
    )
    access(STATE["folder"], "opcode", password, key, hints, **allowed)[0].init_app(app)
    headers.register(app)
    filters.register(app)
    errors.register(app, {})

    @app.get("/page")
    def page() -> str:
        return f"token={app.jinja_env.globals['csrf_token']()} by={g.visitor.by}"  # type: ignore[operator]

    @app.route("/change", methods=["POST", "DELETE"])
    def change() -> str:
        return "changed"

    @app.route("/socket", websocket=True)
    def socket_() -> str:
        return "open"

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    return app


class Browser(FlaskClient):
    """A client that keeps cookies and sends one Host with every request."""

    host = HOST

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        kwargs["headers"] = {"Host": self.host, **(kwargs.get("headers") or {})}
        return super().open(*args, **kwargs)


def browser(app: Flask, host: str = HOST, use_cookies: bool = True) -> Browser:
    client = Browser(app, app.response_class, use_cookies=use_cookies)
    client.host = host
    return client


def token(client: Browser, **kwargs: Any) -> str:
    found = re.search(r"token=([0-9a-f]{64})", client.get("/page", **kwargs).text)
    assert found
    return found[1]


def log_in(client: Browser) -> None:
    form = {"user": "opcode", "password": "right"}
    assert client.post("/login", data=form, headers={"Origin": ORIGIN}).status_code == 303
