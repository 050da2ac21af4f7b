"""An ended login is ended in every worker."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.support.clients.json_client import connected
from tests.support.environment import PASSWORD, USER, Sandbox
from tests.support.server import Server


@contextmanager
def socket_of(server: Server, person: requests.Session) -> Iterator[Any]:
    (pair,) = person.cookies.items()
    header = [f"Cookie: {'='.join(map(str, pair))}"]
    options: dict[str, Any] = {"origin": server.url, "suppress_origin": False, "header": header}
    with connected(server, **options) as client:
        yield client


def test_the_sockets_of_an_ended_login_are_closed_in_every_worker(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_WORKERS="2")
    with requests.Session() as person, requests.Session() as other:
        for each in (person, other):
            form = {"user": USER, "password": PASSWORD}
            assert each.post(f"{server.url}/login", data=form, timeout=20).ok
        page = other.get(f"{server.url}/logins", timeout=20).text
        found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page)
        assert found
        own = str(next(iter(person.cookies.values()))).partition(".")[0]
        with socket_of(server, person) as one, socket_of(server, person) as two:
            url = f"{server.url}/logins/{own}/end"
            assert other.post(url, data={"csrf_token": found[1]}, timeout=20).ok
            assert [one.close_code(), two.close_code()] == [1008, 1008]
        assert person.get(server.url, timeout=20).status_code == 401
    kept = [json.loads(path.read_bytes()) for path in (sandbox.state / "logins").glob("*.json")]
    assert [each["device"] for each in kept] == ["python-requests"]
