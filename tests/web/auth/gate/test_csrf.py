"""Changes need the token of their login."""

import pytest

from tests.support.apps.gate import FOREIGN_SOURCES
from tests.web.auth.gate.browsers import BASIC, ORIGIN, Browser, browser, log_in, make_app, token


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
