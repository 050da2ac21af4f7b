"""The entrypoint of the container with Caddy in front of the server."""

from __future__ import annotations

import base64
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest
import requests

from scripts import debian_programs
from tests.packaging.entrypoint import WALL, Container, noted
from tests.support.environment import free_port, has_ended, missing, until
from tests.support.outside.proxies import WALL as WALL_LOGIN
from tests.support.outside.proxies import WALL_HASH

pytestmark = pytest.mark.usefixtures("integration")


# The stand-in of a server that answers with the login that it was sent.
ECHO = f"""\
#!{sys.executable}
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Echo(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers.get("Authorization", "no login").encode())

HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Echo).serve_forever()
"""


def test_caddy_has_the_port_and_logs_in_to_the_server(container: Container) -> None:
    server, caddy = container.stand_in("opcode-htmx"), container.stand_in("caddy")
    with container.started(**WALL, PORT="9000", GITHUB_TOKEN="t", OPCODE_USER="ann") as process:
        _, inside = noted(server)
        arguments, outside = noted(caddy)
        both = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert [each for each in both if not has_ended(each)] == []
    assert (inside["HOST"], outside["CADDY_SITE"]) == ("127.0.0.1", ":9000")
    assert outside["UPSTREAM"] == f"127.0.0.1:{inside['PORT']}"
    login = base64.b64decode(outside["UPSTREAM_AUTHORIZATION"].removeprefix("Basic ")).decode()
    assert login == f"ann:{inside['OPCODE_PASSWORD']}"
    assert WALL.items() <= outside.items()
    assert WALL.keys() & inside.keys() == set()
    assert "GITHUB_TOKEN" not in outside
    assert [each for each in (*WALL.values(), login) if each in " ".join(arguments)] == []


@pytest.fixture
def walled(container: Container) -> Iterator[str]:
    """The address of real Caddy, with its login, in front of the echo."""
    caddy = debian_programs.find("caddy")
    if caddy is None:
        missing(
            "caddy", f"install it (Debian: apt-get install {debian_programs.PACKAGES['caddy']})."
        )
        raise AssertionError
    container.install("opcode-htmx", ECHO)
    (container.programs / "caddy").symlink_to(caddy)
    login = {"CADDY_AUTH_USER": WALL_LOGIN[0], "CADDY_AUTH_HASH": WALL_HASH}
    port = {"PORT": str(free_port())}
    with container.started(**login, **port, OPCODE_PASSWORD="inner") as process:
        until(lambda: container.healthcheck(**port) == 0 or process.poll() is not None, "healthy")
        assert process.poll() is None, process.communicate()
        yield f"http://127.0.0.1:{port['PORT']}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_wall_of_real_caddy_takes_its_own_login_only_and_sends_that_of_the_server(
    walled: str,
) -> None:
    def get(path: str, login: tuple[str, str] | None = None) -> tuple[int, str]:
        answer = requests.get(walled + path, auth=login, timeout=20)
        return answer.status_code, answer.text

    inner = f"Basic {base64.b64encode(b'opcode:inner').decode()}"
    assert get("/", WALL_LOGIN) == (200, inner)
    for login in (None, ("opcode", "inner"), (WALL_LOGIN[0], "wrong")):
        assert get("/", login) == (401, "")
    # Open to those who watch, and then without any login: not what merely ends like them.
    assert get("/healthz") == get("/readyz") == (200, "no login")
    assert get("/projects/x/healthz") == get("/healthz/") == get("//healthz/../x") == (401, "")


@pytest.mark.parametrize("dead", ["opcode-htmx", "caddy"])
def test_when_one_of_the_two_ends_so_does_the_container(container: Container, dead: str) -> None:
    notes = [container.stand_in(name) for name in ("opcode-htmx", "caddy")]
    container.install(dead, "#!/bin/sh\nexit 3\n")
    with container.started(**WALL) as process:
        assert process.wait(30) == 3
    assert len(notes) == 2
