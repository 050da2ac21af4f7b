"""Requests without credentials: what is asked for, and what is public."""

import re

import pytest

from tests.web.auth.gate.browsers import BASIC, ORIGIN, Browser, log_in


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
    assert 'href="/login?next=/"' in response.text


@pytest.mark.parametrize(
    ("sender", "leads_to"),
    [
        (f"{ORIGIN}/page?x=1", "/page?x%3D1"),
        ("http://elsewhere.example/page", "/"),
        (f"{ORIGIN}//elsewhere.example", "/"),
        ("http://[", "/"),
    ],
)
def test_login_after_a_request_of_a_page_leads_back_to_it(
    client: Browser, sender: str, leads_to: str
) -> None:
    headers = {"HX-Request": "true", "Referer": sender}
    assert f'href="/login?next={leads_to}"' in client.post("/page", headers=headers).text


NAVIGATION = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FETCH = {"Accept": "*/*", "Referer": f"{ORIGIN}/page"}


def test_an_address_too_long_for_a_link_to_the_login_is_left_out(client: Browser) -> None:
    long = f"/page?x={'x' * 5000}"
    refused = client.post("/page", headers={"HX-Request": "true", "Referer": f"{ORIGIN}{long}"})
    assert 'href="/login"' in refused.text
    assert 'href="/login"' in client.get(long).text
    in_place = client.get(long, headers=NAVIGATION).text
    assert f'name="next" value="{long}"' in in_place
    assert "http-equiv" not in in_place


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
        ({}, True),  # plain http: nothing shows where the link is
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
