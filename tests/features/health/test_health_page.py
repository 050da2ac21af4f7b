"""The page of the self-check and its API show what the checks have found, to the owner only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient
from gevent.event import Event

from opcode_htmx.features.health import self_check
from opcode_htmx.features.health.self_check import SelfCheck
from opcode_htmx.lib.identity import Identity
from opcode_htmx.sessions.health.check import Check, Finding, State
from opcode_htmx.web.auth import visitor
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, write_stand_in

PHONE = {"base_url": "http://192.168.1.5:8080"}


@pytest.fixture(scope="module")
def module_app(integration: None, shared_home: Sandbox) -> Iterator[Flask]:
    claude = write_stand_in(shared_home.home / "claude")
    with app_of(
        shared_home, claude, OPCODE_MISSPELT="1", OPCODE_ALLOWED_HOSTS="192.168.1.5"
    ) as app:
        yield app


@pytest.fixture
def app(module_app: Flask, sandbox: Sandbox) -> Iterator[Flask]:
    """One that has not been checked."""
    yield module_app
    (sandbox.state / "health.json").unlink(missing_ok=True)


@pytest.fixture
def sandbox(shared_home: Sandbox) -> Sandbox:
    return shared_home


def test_a_check_is_made_when_a_person_asks_and_its_results_stay(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    assert "Not checked yet" in client.get("/health").text
    assert client.get("/api/health/checks").get_json()["data"] is None
    answer = client.post("/health/check")
    assert (answer.status_code, answer.location) == (303, "/health")
    page = client.get("/health").text
    assert "OPCODE_MISSPELT: no setting of this version" in page
    assert page.count('class="check"') > 10
    assert '<span class="check-word">Warning</span>' in page
    kept = json.loads((sandbox.state / "health.json").read_bytes())
    said = client.get("/api/health/checks").get_json()["data"]
    assert [each["name"] for each in said["checks"]] == [each["name"] for each in kept["results"]]
    again = client.post("/api/health/checks").get_json()["data"]
    assert again["at"] > said["at"]


def test_the_page_says_by_which_way_this_browser_came_in(client: FlaskClient) -> None:
    client.post("/health/check")
    assert "own machine, where http is enough" in client.get("/health").text
    page = client.get("/health", **PHONE).text
    assert "This browser came in by http." in page
    assert "tailscale serve --bg 8080" in page


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("POST", "/health/check"),
        ("GET", "/api/health/checks"),
        ("POST", "/api/health/checks"),
    ],
)
def test_only_the_owner_sees_it(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(visitor, "current_identity", lambda: Identity("guest", "", ("viewer",)))
    answer = client.open(path, method=method)
    assert answer.status_code == 403
    assert "Only the owner of this server may see how the server is." in answer.text


def test_each_check_is_a_new_one_and_the_last_one_is_kept(tmp_path: Path) -> None:
    number = iter(range(10))

    def look() -> Finding:
        return Finding(State.OK, str(next(number)))

    check = SelfCheck(tmp_path / "health.json", lambda: [Check("a", "A", look)])
    assert check.last() is None
    assert [check.run().results[0].finding.summary for _ in range(2)] == ["0", "1"]
    last = check.last()
    assert last is not None
    assert last.results[0].finding.summary == "1"


def test_those_who_wait_for_a_check_share_the_next_one(tmp_path: Path) -> None:
    goes_on, begun = Event(), list[int]()

    def look() -> Finding:
        begun.append(1)
        goes_on.wait()
        return Finding(State.OK, "")

    checks = [Check("a", "A", look, in_greenlet=True)]
    check = SelfCheck(tmp_path / "health.json", lambda: checks)
    presses = [gevent.spawn(check.run) for _ in range(4)]
    gevent.sleep(0.01)
    goes_on.set()
    gevent.joinall(presses, raise_error=True)
    assert len(begun) == 2  # the first one, and one that was begun after the others had asked


def test_a_report_of_a_later_version_is_no_report(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    path.write_text('{"version": 99}')
    assert SelfCheck(path, lambda: []).last() is None
    assert self_check.VERSION < 99
