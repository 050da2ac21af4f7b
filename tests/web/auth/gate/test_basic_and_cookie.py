"""Basic credentials, and the cookie that they set."""

import base64

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.web.auth.gate.browsers import BASIC, Browser, browser, make_app

# --- Basic ----------------------------------------------------------------------------------


def test_right_password_is_accepted_and_sets_a_cookie(client: Browser) -> None:
    response = client.get("/page", auth=BASIC)
    assert response.status_code == 200
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("opcode_8080=")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert f"Max-Age={90 * 86400}" in cookie
    assert "Secure" not in cookie
    assert "by=cookie" in client.get("/page").text


def test_the_cookie_is_secure_over_https() -> None:
    response = browser(make_app()).get(
        "/page", auth=BASIC, environ_overrides={"wsgi.url_scheme": "https"}
    )
    assert "; Secure" in response.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "credentials",
    [("opcode", "wrong"), ("other", "right"), ("", ""), ("opcode", ""), ("opcode", "rightx")],
)
def test_wrong_credentials_are_refused_with_401(
    client: Browser, credentials: tuple[str, str]
) -> None:
    response = client.get("/page", auth=credentials)
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic b3Bjb2Rl", "Nonsense", ""])
def test_a_malformed_authorization_header_is_refused_with_401(client: Browser, header: str) -> None:
    assert client.get("/page", headers={"Authorization": header}).status_code == 401


def test_the_right_credentials_under_another_scheme_are_refused(client: Browser) -> None:
    encoded = base64.b64encode(b"opcode:right").decode()
    header = {"Authorization": f"Bearer {encoded}"}
    assert client.get("/page", headers=header).status_code == 401


def test_a_password_beyond_ascii_works() -> None:
    client = browser(make_app(password="pässwörd"))
    assert client.get("/page", auth=("opcode", "pässwörd")).status_code == 200


# --- The cookie -----------------------------------------------------------------------------


def get_with(app: Flask, cookie: str) -> TestResponse:
    return browser(app, use_cookies=False).get("/page", headers={"Cookie": cookie})


def cookie_of(app: Flask) -> str:
    return browser(app).get("/page", auth=BASIC).headers["Set-Cookie"].split(";")[0]


def test_the_cookie_holds_after_a_restart() -> None:
    cookie = cookie_of(make_app())
    assert get_with(make_app(), cookie).status_code == 200


@pytest.mark.parametrize("changed", [{"password": "new"}, {"key": b"x" * 32}])
def test_the_cookie_dies_with_the_password_and_with_the_key(changed: dict[str, object]) -> None:
    cookie = cookie_of(make_app())
    app = make_app(**changed)  # type: ignore[arg-type]
    assert get_with(app, cookie).status_code == 401


def test_a_changed_cookie_is_refused() -> None:
    app = make_app()
    name, _, value = cookie_of(app).partition("=")
    changed = ("A" if value[0] != "A" else "B") + value[1:]
    response = get_with(app, f"{name}={changed}")
    assert response.status_code == 401


def test_servers_on_two_ports_of_one_machine_do_not_log_each_other_out() -> None:
    one, other = (
        browser(make_app(), f"127.0.0.1:{port}").get("/page", auth=BASIC).headers["Set-Cookie"]
        for port in (8080, 8081)
    )
    assert one.split("=")[0] != other.split("=")[0]
