"""Authentication: the requests that are admitted, and those that are refused."""

import base64
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.web.auth.login import DEFAULT_HINTS, LoginHints, local_path
from opcode_htmx.web.http import errors, filters, headers
from opcode_htmx.web.origin.hosts import host_name, same_origin
from tests.support.apps.gate import FOREIGN_SOURCES, KEY, access
from tests.support.environment import ROOT

HOST = "192.168.1.5:8080"
ORIGIN = f"http://{HOST}"
BASIC = ("opcode", "right")


STATE = {"folder": Path()}


@pytest.fixture(autouse=True)
def state(tmp_path: Path) -> None:
    """The state folder of the apps that a test makes: the same, as after a restart."""
    STATE["folder"] = tmp_path / "state"


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


@pytest.fixture
def client() -> Browser:
    return browser(make_app())


def token(client: Browser, **kwargs: Any) -> str:
    found = re.search(r"token=([0-9a-f]{64})", client.get("/page", **kwargs).text)
    assert found
    return found[1]


def log_in(client: Browser) -> None:
    form = {"user": "opcode", "password": "right"}
    assert client.post("/login", data=form, headers={"Origin": ORIGIN}).status_code == 303


# Without credentials


def test_a_page_without_credentials_asks_for_basic_and_links_to_the_login_form(
    client: Browser,
) -> None:
    response = client.get("/page?x=1")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="opcode-htmx"'
    assert 'href="/login?next=/page?x%3D1"' in response.text


def test_unknown_url_reveals_nothing_without_a_login(client: Browser) -> None:
    assert client.get("/nowhere").status_code == 401
    assert client.get("/nowhere", auth=BASIC).status_code == 404


def test_an_htmx_request_that_is_logged_out_opens_no_dialog(client: Browser) -> None:
    response = client.get("/page", headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert "WWW-Authenticate" not in response.headers
    assert "<html" not in response.text
    assert 'href="/login"' in response.text


NAVIGATION = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FETCH = {"Accept": "*/*", "Referer": f"{ORIGIN}/page"}
DIALOG = 'Basic realm="opcode-htmx"'


def test_a_browser_without_a_login_gets_the_form_and_no_dialog(client: Browser) -> None:
    for path in ("/page?x=1", "/nowhere?x=1"):
        response = client.get(path, headers=NAVIGATION)
        assert response.status_code == 401
        assert "WWW-Authenticate" not in response.headers
        assert 'action="/login"' in response.text
        assert f'name="next" value="{path}"' in response.text
        assert "token=" not in response.text


def test_the_form_in_place_of_a_page_finds_out_about_a_cookie_that_was_kept_back(
    client: Browser,
) -> None:
    """A link on another site carries no SameSite=Strict cookie; a step from our own page does."""
    step = '<meta http-equiv="refresh" content="0; url=/login?next=/page?x%3D1">'
    for headers_, leads_on in (
        ({}, True),  # plain http: nothing tells where the link is
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        (
            {
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            },
            True,
        ),
    ):
        response = client.get("/page?x=1", headers={**NAVIGATION, **headers_})
        assert (step in response.text) is leads_on, headers_
    assert "http-equiv" not in client.get("/login?next=/page").text
    odd = client.get("/page?x=';url=//evil.example\"><b>", headers=NAVIGATION).text
    (content,) = re.findall('<meta http-equiv="refresh" content="([^"]*)">', odd)
    assert content.startswith("0; url=/login?next=/page?x%3D")
    assert not set("'<>") & set(content)
    log_in(client)
    assert client.get("/login?next=/page?x%3D1").headers["Location"] == "/page?x=1"


def test_a_part_of_a_page_that_is_logged_out_opens_no_dialog(client: Browser) -> None:
    for method in ("GET", "POST"):
        response = client.open("/page", method=method, headers=FETCH)
        assert response.status_code == 401
        assert "WWW-Authenticate" not in response.headers


def test_programs_are_asked_for_basic(client: Browser) -> None:
    for path, headers_ in (
        ("/page", {"Accept": "*/*", "User-Agent": "curl/8"}),
        ("/page", {"User-Agent": "Mozilla/5.0 (compatible; wget)"}),
        ("/api/projects", {**NAVIGATION, **FETCH}),
    ):
        response = client.get(path, headers=headers_)
        assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, DIALOG)


def test_a_browser_that_sends_basic_credentials_gets_in(client: Browser) -> None:
    response = client.get("/page", auth=BASIC, headers=NAVIGATION)
    assert response.status_code == 200
    assert "by=cookie" in client.get("/page", headers=NAVIGATION).text


def test_the_dialog_has_an_address_of_its_own(client: Browser) -> None:
    asked = client.get("/login/dialog?next=/page", headers=NAVIGATION)
    assert (asked.status_code, asked.headers["WWW-Authenticate"]) == (401, DIALOG)
    wrong = client.get("/login/dialog", auth=("opcode", "wrong"), headers=NAVIGATION)
    assert (wrong.status_code, wrong.headers["WWW-Authenticate"]) == (401, DIALOG)
    response = client.get("/login/dialog?next=/page", auth=BASIC, headers=NAVIGATION)
    assert (response.status_code, response.headers["Location"]) == (303, "/page")
    assert client.get("/page", headers=NAVIGATION).status_code == 200
    away = client.get("/login/dialog?next=//evil.example", headers=NAVIGATION)
    assert away.headers["Location"] == "/"


@pytest.mark.parametrize("path", ["/healthz", "/login", "/pair", "/static/style.css"])
def test_assets_of_the_login_page_are_public(client: Browser, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    response.close()


def test_other_static_files_need_a_login(client: Browser) -> None:
    assert client.get("/static/other.js").status_code == 401


# Basic


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


# The cookie


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


# Login and logout


def test_the_login_form_sets_the_cookie_and_goes_back_to_the_page(client: Browser) -> None:
    form = {"user": "opcode", "password": "right", "next": "/page?x=1"}
    response = client.post("/login", data=form, headers={"Origin": ORIGIN})
    assert (response.status_code, response.headers["Location"]) == (303, "/page?x=1")
    assert client.get("/page").status_code == 200


def test_a_wrong_password_shows_the_form_again_with_401(client: Browser) -> None:
    response = client.post("/login", data={"user": "me", "password": "secret-guess"})
    assert response.status_code == 401
    assert "do not match" in response.text
    assert 'value="me"' in response.text
    assert "secret-guess" not in response.text
    assert "Set-Cookie" not in response.headers
    assert "WWW-Authenticate" not in response.headers


def test_the_form_has_no_field_for_the_default_user(client: Browser) -> None:
    page = client.get("/login").text
    (user,) = re.findall(r'<input name="user"[^>]*>', page)
    assert all(part in user for part in ('value="opcode"', 'autocomplete="username"', " hidden>"))
    assert "printed in the terminal" in page
    again = client.post("/login", data={"user": "opcode", "password": "wrong"})
    assert "That is not the password." in again.text
    (password,) = re.findall(r'<input id="password"[^>]*>', again.text)
    for part in ('aria-invalid="true"', "autofocus", "login-error", 'enterkeyhint="go"'):
        assert part in password
    assert 'value="' not in password


def test_the_form_asks_for_a_user_and_names_the_password_that_were_set() -> None:
    hints = LoginHints(asks_user=True, password_is_given=True)
    page = browser(make_app(hints=hints)).get("/login").text
    (user,) = re.findall(r'<input name="user"[^>]*>', page)
    assert 'value=""' in user
    assert "hidden" not in user
    assert "OPCODE_PASSWORD" in page
    assert "printed in the terminal" not in page


def test_a_login_form_sent_from_another_site_is_refused(client: Browser) -> None:
    form = {"user": "opcode", "password": "right"}
    for foreign in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post("/login", data=form, headers=foreign).status_code == 403


def test_the_login_page_sends_on_a_browser_that_is_logged_in(client: Browser) -> None:
    log_in(client)
    response = client.get("/login?next=/page")
    assert (response.status_code, response.headers["Location"]) == (303, "/page")


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "evil",
        "",
        "/ok\\..\\x",
        "/a\nb",
        None,
    ],
)
def test_login_never_leads_to_another_site(target: str | None) -> None:
    assert local_path(target) == "/"


def test_login_leads_to_a_local_path() -> None:
    assert local_path("/projects/-a-b?x=1&y=//z") == "/projects/-a-b?x=1&y=//z"


def test_logout_ends_the_login(client: Browser) -> None:
    log_in(client)
    response = client.post("/logout", data={"csrf_token": token(client)})
    assert (response.status_code, response.headers["Location"]) == (303, "/login")
    assert client.get("/page").status_code == 401


def test_logout_needs_a_token(client: Browser) -> None:
    log_in(client)
    assert client.post("/logout").status_code == 403
    assert client.get("/page").status_code == 200


# Throttle


def test_ten_wrong_passwords_make_an_address_wait(client: Browser) -> None:
    for _ in range(10):
        assert client.get("/page", auth=("opcode", "wrong")).status_code == 401
    refused = client.get("/page", auth=BASIC)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    form = client.post("/login", data={"user": "opcode", "password": "right"})
    assert form.status_code == 429
    assert "Too many failed logins" in form.text
    elsewhere = client.get("/page", auth=BASIC, environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert elsewhere.status_code == 200


def test_logged_in_client_is_not_throttled(client: Browser) -> None:
    log_in(client)
    for _ in range(11):
        client.post("/login", data={"user": "opcode", "password": "wrong"})
    assert client.get("/page").status_code == 200


# Host


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


# CSRF


@pytest.mark.parametrize("method", ["post", "delete"])
def test_a_change_without_a_token_is_refused(client: Browser, method: str) -> None:
    log_in(client)
    response = getattr(client, method)("/change", headers={"Origin": ORIGIN})
    assert response.status_code == 403
    assert "This form is out of date: reload the page and try again." in response.text


def test_the_token_is_taken_from_the_form_or_the_header(client: Browser) -> None:
    log_in(client)
    value = token(client)
    assert client.post("/change", data={"csrf_token": value}).status_code == 200
    assert client.delete("/change", headers={"X-CSRF-Token": value}).status_code == 200


def test_a_wrong_token_and_that_of_another_login_are_refused(client: Browser) -> None:
    log_in(client)
    other = browser(client.application)
    log_in(other)
    for value in ("x" * 64, token(other), ""):
        assert client.post("/change", data={"csrf_token": value}).status_code == 403


def test_the_token_of_the_first_page_after_a_basic_login_is_good(client: Browser) -> None:
    value = token(client, auth=BASIC)
    assert client.post("/change", data={"csrf_token": value}).status_code == 200


def test_pages_opened_side_by_side_at_the_first_visit_keep_their_tokens(
    client: Browser,
) -> None:
    first = token(browser(client.application), auth=BASIC)
    assert token(client, auth=BASIC) == first


def test_the_token_survives_a_restart(client: Browser) -> None:
    log_in(client)
    value = token(client)
    again = browser(make_app())
    cookie = client.get_cookie("opcode_8080", domain="192.168.1.5")
    assert cookie
    again.set_cookie("opcode_8080", cookie.value, domain="192.168.1.5")
    assert again.post("/change", data={"csrf_token": value}).status_code == 200


@pytest.mark.parametrize("foreign", FOREIGN_SOURCES)
def test_another_site_is_refused_even_with_the_token(
    client: Browser, foreign: dict[str, str]
) -> None:
    log_in(client)
    data = {"csrf_token": token(client)}
    assert client.post("/change", data=data, headers=foreign).status_code == 403


def test_a_browser_cannot_change_anything_by_cached_basic_credentials_alone(
    client: Browser,
) -> None:
    response = client.post("/change", auth=BASIC, headers={"Origin": ORIGIN})
    assert response.status_code == 403


def test_a_script_with_basic_credentials_needs_no_token(client: Browser) -> None:
    assert client.post("/change", auth=BASIC).status_code == 200


def test_upgrade_header_does_not_bypass_the_token(client: Browser) -> None:
    log_in(client)
    assert client.post("/change", headers={"Upgrade": "websocket"}).status_code == 403


# WebSocket handshakes

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
