"""The doors of a real server: sockets open for their owner, and no odd request opens one."""

from __future__ import annotations

import contextlib
import re
import socket

import pytest
import requests

from tests.security.access.doors import UPGRADE, Door
from tests.security.access.every_door.attack import protected
from tests.support.environment import PASSWORD, USER, basic_header
from tests.support.server import Server


def answer_to(server: Server, request: bytes) -> str:
    """The first line of the answer to these bytes; empty if the connection is just closed."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(request)
        with contextlib.suppress(ConnectionResetError):
            return connection.makefile("rb").readline().decode("latin-1").rstrip()
    return ""


def raw(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", *headers, "Connection: close", "", ""]).encode(
        "latin-1"
    )


@pytest.fixture(scope="module")
def server_login(shared_server: Server) -> tuple[str, str]:
    """The Cookie header and the token of a login at the real server."""
    with requests.Session() as session:
        form = {"user": USER, "password": PASSWORD}
        page = session.post(f"{shared_server.url}/login", data=form, timeout=20)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token
        cookie = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
        return f"Cookie: {cookie}", f"X-CSRF-Token: {token[1]}"


def test_each_socket_opens_for_its_owner(
    shared_server: Server, doors: list[Door], server_login: tuple[str, str]
) -> None:
    host = f"127.0.0.1:{shared_server.port}"
    upgrade = [f"{name}: {value}" for name, value in UPGRADE.items()]
    basic = [f"{name}: {value}" for name, value in basic_header().items()]
    for door in protected(doors, sockets=True):
        page = raw("GET", door.path, f"Host: {host}", server_login[0], f"Origin: http://{host}")
        page = page.replace(b"Connection: close", "\r\n".join(upgrade).encode())
        program = raw("GET", door.path, f"Host: {host}", *basic)
        program = program.replace(b"Connection: close", "\r\n".join(upgrade).encode())
        assert answer_to(shared_server, page).startswith("HTTP/1.1 101"), door
        assert answer_to(shared_server, program).startswith("HTTP/1.1 101"), door


def test_no_header_twice_and_no_odd_request_opens_a_door(
    shared_server: Server, server_login: tuple[str, str]
) -> None:
    cookie, token = server_login
    host = f"127.0.0.1:{shared_server.port}"
    own, origin = f"Host: {host}", f"Origin: http://{host}"
    form = "Content-Type: application/x-www-form-urlencoded"
    chunked = "Transfer-Encoding: chunked"
    wrong = {
        "two hosts": raw("GET", "/", own, "Host: evil.example", cookie),
        "no host": raw("GET", "/", cookie),
        "an absolute address": raw("GET", "http://evil.example/", "Host: evil.example", cookie),
        "two origins": raw("POST", "/runs/stop-all", own, cookie, token, origin, "Origin: null"),
        "two sites": raw(
            *("POST", "/runs/stop-all", own, cookie, token),
            *("Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"),
        ),
        "two tokens": raw("POST", "/runs/stop-all", own, cookie, origin, token, "X-CSRF-Token: x"),
        "two credentials": raw(
            "GET", "/", own, "Authorization: Basic eA==", "Authorization: Basic b3Bjb2RlOng="
        ),
        "two lengths": raw(
            "POST",
            "/runs/stop-all",
            own,
            cookie,
            token,
            form,
            "Content-Length: 1",
            "Content-Length: 2",
        ),
        "a length and pieces": raw(
            *("POST", "/runs/stop-all", own, cookie, token, form),
            *("Content-Length: 4", chunked),
        ),
        "a chunk without a size": raw("POST", "/login", own, form, chunked) + b"zz\r\n",
        "a chunk without a size, from a page": raw(
            "POST", "/runs/stop-all", own, form, chunked, f"Referer: http://{host}/runs"
        )
        + b"zz\r\n",
        "a chunk with a long extension": raw("POST", "/login", own, form, chunked)
        + b"1;"
        + b"a" * 100_000
        + b"\r\n",
        "a long trailer": raw("POST", "/login", own, form, chunked)
        + b"0\r\nX-A: "
        + b"a" * 200_000
        + b"\r\n\r\n",
        "no length": raw("POST", "/runs/stop-all", own, cookie, token, "Content-Length: x"),
        "a negative length": raw(
            "POST", "/runs/stop-all", own, cookie, token, "Content-Length: -1"
        ),
        "an underscore": raw(
            "POST", "/runs/stop-all", own, cookie, origin, f"X_CSRF_Token: {token[14:]}"
        ),
        "a folded header": raw(
            "POST", "/runs/stop-all", own, cookie, origin, "X-A: b", f" {token}"
        ),
        "a header without a name": raw("GET", "/", own, cookie, ": x"),
        "a header with NUL": raw("GET", "/", own, cookie, "X-A: \0"),
        "a path with NUL": raw("GET", "/\0", own, cookie),
        "a path upwards": raw("GET", "/static/../../app.py", own, cookie),
        "a path upwards, encoded": raw("GET", "/static/%2e%2e/%2e%2e/app.py", own, cookie),
        "a path of two slashes": raw("GET", "//evil.example/%2f..", own, cookie),
        "a long address": raw("GET", "/" + "a" * 100_000, own, cookie),
        "a long header": raw("GET", "/", own, f"X-A: {'a' * 100_000}"),
        "many headers": raw("GET", "/", own, *(f"X-{n}: a" for n in range(2000))),
        "no version": b"GET /\r\n\r\n",
        "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "a method of control characters": raw("G\x01T", "/", own, cookie),
    }
    for name, sent in wrong.items():
        status = answer_to(
            shared_server, sent + (b"\r\n\r\n" if name == "another protocol" else b"")
        )
        assert re.match(r"$|HTTP/1\.[01] 4\d\d ", status), (name, status)
    right = raw("POST", "/runs/stop-all", own, cookie, token, origin, "Content-Length: 0")
    assert answer_to(shared_server, right).startswith("HTTP/1.1 303")
