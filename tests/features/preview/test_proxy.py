"""Real dev servers behind the real proxy: what passes, both ways, and what does not."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.features.preview.conftest import Dev
from tests.features.preview.dev_server import BIG
from tests.support.environment import PATIENCE, has_ended, processes_of, until


def echoed(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def header(found: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in found["headers"] if key.lower() == name.lower()]


def test_a_session_lists_what_it_has_started_and_opens_it_at_an_origin_of_its_own(
    dev: Dev, start_dev: Callable[..., Dev]
) -> None:
    origin = dev.open()
    assert origin in {f"http://127.0.0.1:{port}/" for port in dev.ports}
    assert "Shop" in dev.client.get(origin, timeout=PATIENCE).text
    assert dev.open() == origin, "the same again"
    overview = dev.client.get(f"{dev.server.url}/preview/{dev.port}", timeout=PATIENCE)
    assert overview.url.endswith(f"{dev.page}/preview#port-{dev.port}")
    every = dev.client.get(f"{dev.server.url}/preview", timeout=PATIENCE).text
    row = every.partition(f'href="{dev.page}/preview#port-{dev.port}"')[2].partition("</a>")[0]
    assert "dev_server.py" in row, "the session is named by its prompt"
    nothing = dev.client.get(f"{dev.server.url}/preview/1", timeout=PATIENCE)
    assert (nothing.status_code, "listens on port 1 now" in nothing.text) == (404, True)
    other = start_dev()
    assert f'id="port-{dev.port}"' not in other.listed(), "of another session"
    second = other.open()
    assert second != origin
    listed = dev.client.get(
        f"{dev.server.url}/api/sessions/{dev.session_id}/previews", timeout=PATIENCE
    ).json()["data"]
    assert [(each["port"], each["address"]) for each in listed] == [(dev.port, origin)]
    third = start_dev()
    with pytest.raises(AssertionError, match="Every address for previews is in use"):
        third.open()
    assert dev.close() == 200
    assert dev.client.get(origin, timeout=PATIENCE).status_code == 404
    assert third.open() == origin


def test_a_link_to_localhost_leads_to_its_preview_or_says_that_nothing_listens(
    kept_dev: Dev,
) -> None:
    def follow(address: str, *, redirected: bool = True) -> requests.Response:
        return kept_dev.client.get(
            f"{kept_dev.server.url}{kept_dev.page}/preview/link",
            params={"to": address},
            allow_redirects=redirected,
            timeout=PATIENCE,
        )

    until(kept_dev.find, "the dev server is listed")
    link = f"http://localhost:{kept_dev.port}/echo/a?b=<c>#d"
    page = follow(link).text
    assert f'id="port-{kept_dev.port}"' in page
    assert '<input type="hidden" name="path" value="/echo/a?b=%3Cc%3E#d">' in page
    origin = kept_dev.open(path="/echo/a?b=c")
    assert origin in {f"http://127.0.0.1:{port}/echo/a?b=c" for port in kept_dev.ports}
    assert echoed(kept_dev.client.get(origin, timeout=PATIENCE))["path"] == "/echo/a?b=c"
    led = follow(link, redirected=False)
    assert led.status_code == 303
    assert led.headers["Location"] == origin.replace("b=c", "b=%3Cc%3E#d")
    in_sandbox = f"{kept_dev.server.url}{kept_dev.open(sandbox=True, path='/echo/x')}"
    assert echoed(kept_dev.client.get(in_sandbox, timeout=PATIENCE))["path"] == "/echo/x"
    nothing = follow("http://127.0.0.1:1/a?<b>")
    assert nothing.status_code == 200
    assert "Nothing that this session has started listens on port 1 now." in nothing.text
    assert 'href="http://127.0.0.1:1/a?%3Cb%3E"' in nothing.text
    for other in ("http://evil.example/", "https://localhost:1/", "javascript:alert(1)", ""):
        text = follow(other).text
        assert ("Nothing that" in text, "evil" in text) == (False, False)


def test_each_method_and_a_body_of_any_kind_pass_whole(kept_dev: Dev) -> None:
    origin = kept_dev.open()
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
        answer = kept_dev.client.request(method, f"{origin}echo/%2F?a=%20b", timeout=PATIENCE)
        found = echoed(answer)
        assert (found["method"], found["path"]) == (method, "/echo/%2F?a=%20b")
    assert kept_dev.client.head(f"{origin}big", timeout=PATIENCE).headers["Content-Length"] == str(
        BIG
    )
    data = bytes(range(256)) * 20_000
    seen = hashlib.sha256(data).hexdigest()
    pieces = (data[at : at + 100_000] for at in range(0, len(data), 100_000))
    for body in (data, pieces):
        found = echoed(kept_dev.client.post(f"{origin}echo", data=body, timeout=PATIENCE))
        assert (found["size"], found["sha256"]) == (len(data), seen)


def test_a_large_answer_comes_whole_a_range_in_part_and_a_broken_one_not_as_whole(
    kept_dev: Dev,
) -> None:
    origin = kept_dev.open()
    whole = kept_dev.client.get(f"{origin}big", timeout=PATIENCE).content
    assert len(whole) == BIG
    wanted = {"Range": "bytes=1000-2999"}
    part = kept_dev.client.get(f"{origin}big", headers=wanted, timeout=PATIENCE)
    assert (part.status_code, part.content) == (206, whole[1000:3000])
    assert part.headers["Content-Range"] == f"bytes 1000-2999/{BIG}"
    with pytest.raises(requests.exceptions.RequestException):
        kept_dev.client.get(f"{origin}short", timeout=PATIENCE)


def test_the_dev_server_sees_a_request_to_localhost_and_nothing_of_ours(kept_dev: Dev) -> None:
    origin = kept_dev.open()
    (ours,) = (each for each in kept_dev.client.cookies if each.name.startswith("opcode"))
    assert len(str(ours.value)) > 40
    found = echoed(
        kept_dev.client.post(
            f"{origin}echo",
            headers={
                "Authorization": "Basic b3Bjb2RlOmZvci10aGUtdGVzdHM=",
                "Origin": origin.rstrip("/"),
                "Referer": f"{origin}page?x=1",
                "X-Forwarded-For": "6.6.6.6",
                "X-Forwarded-Host": "evil.example",
                "Connection": "keep-alive, X-Hop",
                "X-Hop": "1",
                "X-Kept": "1",
            },
            cookies={"theme": "dark"},
            timeout=PATIENCE,
        )
    )
    assert header(found, "Host") == [f"localhost:{kept_dev.port}"]
    assert header(found, "Origin") == [f"http://localhost:{kept_dev.port}"]
    assert header(found, "Referer") == [f"http://localhost:{kept_dev.port}/page?x=1"]
    assert header(found, "X-Forwarded-For") == ["127.0.0.1"]
    assert header(found, "Cookie") == ["theme=dark"]
    assert header(found, "X-Kept") == ["1"]
    for name in ("Authorization", "X-Hop", "X-Forwarded-Host"):
        assert header(found, name) == []
    bearer = {"Authorization": "Bearer of-the-dev-server"}
    found = echoed(kept_dev.client.get(f"{origin}echo", headers=bearer, timeout=PATIENCE))
    assert header(found, "Authorization") == ["Bearer of-the-dev-server"]


def test_a_redirect_to_localhost_stays_in_the_preview(kept_dev: Dev) -> None:
    origin = kept_dev.open()

    def target(to: str) -> str:
        answer = kept_dev.client.get(
            f"{origin}go", params={"to": to}, allow_redirects=False, timeout=PATIENCE
        )
        assert answer.status_code == 302
        return answer.headers["Location"]

    assert target(f"http://localhost:{kept_dev.port}/a?b#c") == "/a?b#c"
    assert target(f"http://127.0.0.1:{kept_dev.port}//evil.example/") == "/evil.example/"
    assert target("next") == "next"
    assert target("https://example.org/x") == "https://example.org/x"


def test_cookies_of_the_dev_server_come_back_to_it_alone_and_never_take_the_place_of_ours(
    dev: Dev, start_dev: Callable[..., Dev]
) -> None:
    origin = dev.open()
    name = next(each.name for each in dev.client.cookies if each.name.startswith("opcode"))
    sent = [
        "session=secret; HttpOnly; Path=/; SameSite=Lax",
        "xsrf=token; Path=/; Domain=localhost; Secure; SameSite=None",
        f"{name}=stolen; Path=/",
        f"{name}=stolen; HttpOnly",
        "__Host-opcode=stolen; Secure; Path=/",
    ]
    answer = dev.client.get(f"{origin}cookies", params={"set": json.dumps(sent)}, timeout=PATIENCE)
    assert "Clear-Site-Data" not in answer.headers
    mark = f"preview{origin.rstrip('/').rpartition(':')[2]}."
    got = answer.raw.headers.getlist("Set-Cookie")
    assert got == [f"{mark}session=secret; HttpOnly; Path=/; SameSite=Lax", "xsrf=token; Path=/"]
    found = echoed(dev.client.get(f"{origin}echo", timeout=PATIENCE))
    assert sorted(header(found, "Cookie")[0].split("; ")) == ["session=secret", "xsrf=token"]
    other = start_dev()
    second = other.open()
    found = echoed(dev.client.get(f"{second}echo", timeout=PATIENCE))
    assert header(found, "Cookie") == ["xsrf=token"]
    assert dev.client.get(dev.server.url, timeout=PATIENCE).status_code == 200, "still logged in"


def test_without_a_login_and_from_elsewhere_nothing_is_passed(kept_dev: Dev) -> None:
    origin = kept_dev.open()
    assert requests.get(origin, timeout=PATIENCE).status_code == 401
    assert (
        requests.get(origin, auth=("opcode", "for-the-tests"), timeout=PATIENCE).status_code == 401
    )

    def status(method: str = "GET", **headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return kept_dev.client.request(
            method, f"{origin}echo", headers=sent, timeout=PATIENCE
        ).status_code

    assert status(Host="evil.example") == 421
    assert status("POST", Origin=kept_dev.server.url) == 403
    assert status("POST", Origin="null") == 403
    assert status("POST", Origin="null", Sec_Fetch_Site="same-origin") == 200
    assert status("POST", Origin=origin.rstrip("/"), Sec_Fetch_Site="same-origin") == 200
    assert status(Sec_Fetch_Site="same-site", Sec_Fetch_Mode="no-cors") == 403
    navigation = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert status(Sec_Fetch_Site="same-site", **navigation) == 200
    assert status("POST", Sec_Fetch_Site="same-site", **navigation) == 403
    assert status(Sec_Fetch_Site="same-site", Sec_Fetch_Mode="navigate") == 403
    assert status(Service_Worker="script") == 403
    unused = next(each for each in kept_dev.ports if f":{each}/" not in origin)
    assert (
        kept_dev.client.get(f"http://127.0.0.1:{unused}/logins", timeout=PATIENCE).status_code
        == 404
    )


def test_a_port_that_another_program_has_taken_is_not_shown(dev: Dev) -> None:
    origin = dev.open()
    (process,) = (
        each
        for each in processes_of(dev.server.sandbox.state)
        if str(dev.port) in each.cmdline() and "dev_server" in " ".join(each.cmdline())
    )
    process.kill()
    until(lambda: has_ended(process), "it has ended")
    with socket.create_server(("127.0.0.1", dev.port)):
        answer = dev.client.get(origin, timeout=PATIENCE)
        assert (answer.status_code, "has ended" in answer.text) == (404, True)
        assert until(lambda: not dev.find(), "it is not listed")


def test_a_dev_server_on_the_ipv6_loopback_alone_is_shown(start_dev: Callable[..., Dev]) -> None:
    dev = start_dev("::1")
    assert "Shop" in dev.client.get(dev.open(), timeout=PATIENCE).text


def test_in_a_sandbox_a_pass_opens_this_server_alone_while_the_login_lasts(dev: Dev) -> None:
    place = dev.open(sandbox=True)
    assert place.startswith(f"/preview/{dev.port}/")
    address = f"{dev.server.url}{place}"
    stranger = {"Origin": "null", "Sec-Fetch-Site": "cross-site"}

    def ask(rest: str = "", method: str = "GET", **headers: str) -> requests.Response:
        sent = {**stranger, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return requests.request(
            method, address + rest, headers=sent, timeout=PATIENCE, allow_redirects=False
        )

    answer = ask("report/")
    assert "Report" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    found = echoed(ask("echo?a", "POST", Cookie="opcode=1; theme=dark"))
    assert (found["path"], header(found, "Cookie")) == ("/echo?a", [])
    assert header(found, "X-Forwarded-Prefix") == [place.rstrip("/")]
    assert "Set-Cookie" not in ask('cookies?set=["a=b"]').headers
    assert ask("go?to=/landed").headers["Location"] == f"{place}landed"
    landed = f"http://localhost:{dev.port}/x"
    assert ask(f"go?to={landed}").headers["Location"] == f"{place}x"
    allowed = ask("echo", "OPTIONS", Access_Control_Request_Method="PUT")
    assert allowed.headers["Access-Control-Allow-Origin"] == "null"
    assert ask(Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="no-cors").status_code == 403
    assert ask(Service_Worker="script").status_code == 403
    slashless = requests.get(address.rstrip("/"), timeout=PATIENCE, allow_redirects=False)
    assert (slashless.status_code, slashless.headers["Location"]) == (308, place)
    guessed = address.replace(place.split("/")[3], "A" * 32)
    assert requests.get(guessed, timeout=PATIENCE).status_code == 404
    other_port = address.replace(f"/{dev.port}/", "/1/")
    assert requests.get(other_port, timeout=PATIENCE).status_code == 404
    state = dev.server.sandbox.state
    assert place.split("/")[3] not in (state / "previews.json").read_text()
    dev.end_login()
    assert ask().status_code == 404
