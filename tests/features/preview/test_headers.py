"""Headers and cookies of a dev server that must not take effect on the app."""

from __future__ import annotations

import pytest

from opcode_htmx.features.preview.proxy import cookies, headers
from opcode_htmx.features.preview.proxy.headers import Place

PLACE = Place(5173, "http://box:18080", our_port=18080)
SANDBOX = Place(5173, "http://box:8080", prefix="/preview/5173/pass")


@pytest.mark.parametrize(
    "name",
    ["Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc", "Service-Worker-Allowed"]
    + ["Transfer-Encoding", "Upgrade", "Keep-Alive", "Access-Control-Allow-Origin", "X-Named"],
)
def test_a_header_for_the_host_or_for_one_hop_does_not_pass(name: str) -> None:
    answered = [("Connection", "close, x-named"), (name, "x"), ("X-Other", "y")]
    found = dict(headers.for_browser(answered, PLACE))
    assert name not in found
    assert found["X-Other"] == "y"


def test_what_could_be_read_as_two_headers_does_not_pass() -> None:
    answered = [("X-A", "1\r\nSet-Cookie: opcode=1"), ("X B", "1"), ("Set-Cookie", "a=b\x00c")]
    assert [name for name, _ in headers.for_browser(answered, PLACE)] == [
        "Cache-Control",
        "Content-Security-Policy",
    ]


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [(["5"], ["5"]), (["5", "5"], ["5"]), (["5", "6"], []), (["-1"], []), (["5, 5"], [])],
)
def test_a_length_passes_only_where_it_is_the_one(lengths: list[str], kept: list[str]) -> None:
    answered = [("Content-Length", each) for each in lengths]
    found = headers.for_browser(answered, PLACE)
    assert [value for name, value in found if name == "Content-Length"] == kept
    chunked = headers.for_browser([*answered, ("Transfer-Encoding", "chunked")], PLACE)
    assert "Content-Length" not in dict(chunked)


@pytest.mark.parametrize(
    ("value", "place", "target"),
    [
        ("http://localhost:5173", PLACE, "/"),
        ("http://[::1]:5173/a", PLACE, "/a"),
        ("//localhost:5173/a", PLACE, "/a"),
        ("http://u:p@localhost:5173/a", PLACE, "/a"),
        ("http://localhost:5173//evil.example", PLACE, "/evil.example"),
        ("http://localhost:5173?a", SANDBOX, "/preview/5173/pass/?a"),
        ("/a", SANDBOX, "/preview/5173/pass/a"),
        ("http://localhost:8080/logins", PLACE, "http://localhost:8080/logins"),
        ("http://localhost:99999999/", PLACE, "http://localhost:99999999/"),
    ],
)
def test_a_redirect_to_the_server_itself_leads_to_its_preview(
    value: str, place: Place, target: str
) -> None:
    assert headers.location(value, place) == target


@pytest.mark.parametrize(
    "name",
    ["opcode_8080", "OPCODE", "__Host-opcode", "__Secure-opcode_8080", "opcode_preview_18080"]
    + ["came_from", "preview18081.session", ""],
)
def test_a_cookie_with_a_name_of_ours_passes_in_no_direction(name: str) -> None:
    assert cookies.for_browser(f"{name}=x; HttpOnly", 18080, is_secure=True) is None
    assert cookies.for_server(f"{name}=x; kept=1", 18080) == "kept=1"


def test_a_cookie_keeps_what_the_browser_can_use() -> None:
    sent = "a=b=c; Domain=localhost; Path=/x; Secure; SameSite=None; Partitioned; Max-Age=5"
    over_https = cookies.for_browser(sent, 18080, is_secure=True)
    assert over_https == "a=b=c; Path=/x; Secure; SameSite=None; Partitioned; Max-Age=5"
    assert cookies.for_browser(sent, 18080, is_secure=False) == "a=b=c; Path=/x; Max-Age=5"
