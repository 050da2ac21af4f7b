"""The login form, logging out, and the wait after wrong passwords."""

import re

import pytest

from opcode_htmx.web.auth.login import LoginHints, local_path
from tests.web.auth.gate.browsers import BASIC, ORIGIN, Browser, browser, log_in, make_app, token

# --- Login and logout -----------------------------------------------------------------------


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


def test_the_scripts_of_the_login_page_need_no_login(client: Browser) -> None:
    """One accepts that the transition from the page before may be cut short."""
    scripts = re.findall(r'<script src="([^"?]+)', client.get("/login").text)
    assert "/static/transitions.js" in scripts
    for script in scripts:
        with client.get(script) as response:
            assert response.status_code == 200


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


# --- Throttle -------------------------------------------------------------------------------

REFUSED_PROMPT = {"session_id": "one", "project": "", "prompt": "Dig the pond"}
"""What the form carries of another one, which was refused because the login had ended."""


def test_ten_wrong_passwords_make_an_address_wait(client: Browser) -> None:
    for _ in range(10):
        assert client.get("/page", auth=("opcode", "wrong")).status_code == 401
    refused = client.get("/page", auth=BASIC)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    fields = {"user": "opcode", "password": "right", "next": "/page?x=1"}
    form = client.post("/login", data=fields | REFUSED_PROMPT)
    assert form.status_code == 429
    assert "Too many failed logins" in form.text
    for value in ("/page?x=1", *REFUSED_PROMPT.values()):
        assert f'value="{value}"' in form.text
    elsewhere = client.get("/page", auth=BASIC, environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert elsewhere.status_code == 200


def test_logged_in_client_is_not_throttled(client: Browser) -> None:
    log_in(client)
    for _ in range(11):
        client.post("/login", data={"user": "opcode", "password": "wrong"})
    assert client.get("/page").status_code == 200
