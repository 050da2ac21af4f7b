"""Every address of the app, from its own URL map: what a page elsewhere can cause, and what not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from opcode_htmx.engines.claude.files import history
from opcode_htmx.web.origin.fetch_metadata import who_may_act
from tests.support.apps.in_process import app_of
from tests.support.clients.api import prompt, session
from tests.support.environment import (
    PASSWORD,
    USER,
    Sandbox,
    basic_header,
    write_stand_in,
)
from tests.support.fuzzing import rotated

SESSION = "11111111-1111-4111-8111-111111111111"
CHROME = {"User-Agent": "Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36"}
PAGE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
LOADS = {
    "an image": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "a script": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    "a fetch": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"},
    "a frame": {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("doors")
    sandbox = Sandbox(folder / "home").make()
    session(sandbox.config_dir, sandbox.project, prompt("hello", sandbox.project), SESSION)
    with app_of(sandbox, write_stand_in(folder / "claude")) as app:
        app.config["PROJECT"] = history.project_id(sandbox.project)
        yield app


@pytest.fixture
def person(app: Flask) -> FlaskClient:
    """A browser that is logged in by cookie."""
    client = app.test_client()
    assert client.post("/login", data={"user": USER, "password": PASSWORD}).status_code == 303
    return client


@pytest.fixture
def token(person: FlaskClient) -> str:
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', person.get("/").text)
    assert found
    return found[1]


def address(app: Flask, rule: Rule) -> str:
    values = {"project_id": app.config["PROJECT"], "session_id": SESSION, "either_id": SESSION}
    return re.sub(
        r"<(?:[a-z]+:)?([a-z_]+)>", lambda found: values.get(found[1], "0" * 32), rule.rule
    )


def rules(app: Flask, method: str) -> list[Rule]:
    found = (r for r in app.url_map.iter_rules() if method in (r.methods or ()))
    return sorted((r for r in found if not r.websocket), key=lambda rule: rule.rule)


def acting(app: Flask) -> list[Rule]:
    return [r for r in rules(app, "GET") if who_may_act(app.view_functions[r.endpoint])]


def test_no_page_elsewhere_loads_anything_of_ours(app: Flask, person: FlaskClient) -> None:
    """Each address in one of the ways, in turn; in all of them with FUZZ."""
    ways = [
        {**CHROME, "Sec-Fetch-Site": site, **load}
        for site in ("cross-site", "same-site")
        for load in LOADS.values()
    ]
    for turn, rule in enumerate(rules(app, "GET")):
        for headers in rotated(ways, turn, among=len(ways)) if rule.rule != "/healthz" else ():
            for method in ("GET", "HEAD"):
                path = address(app, rule)
                answer = person.open(path, method=method, headers=headers)
                assert answer.status_code == 403, (method, path, headers)
    for headers in ways:
        answer = person.get("/healthz", headers=headers)
        assert answer.status_code == 200
        icon = person.get("/static/icon.svg", headers=headers)
        assert icon.status_code == 200
        icon.close()


def test_a_link_from_elsewhere_opens_pages_and_starts_nothing(
    app: Flask, person: FlaskClient
) -> None:
    headers = {**CHROME, "Sec-Fetch-Site": "cross-site", **PAGE}
    for path in ("/", "/runs", "/new", "/logins", f"/projects/{app.config['PROJECT']}"):
        assert person.get(path, headers=headers).status_code == 200, path
    for rule in acting(app):
        assert person.get(address(app, rule), headers=headers).status_code == 403


def admitted(answer: TestResponse) -> bool:
    """Whether a view has answered, though it may know of no such thing."""
    return answer.status_code < 400 or answer.status_code == 404


@pytest.mark.usefixtures("integration")
def test_a_get_that_acts_needs_the_token_of_the_page(
    app: Flask, person: FlaskClient, token: str
) -> None:
    for rule in acting(app):
        path = address(app, rule)
        # over plain http a browser says nothing of where a request comes from
        for headers in (CHROME, {**CHROME, "Sec-Fetch-Site": "same-origin"}, {}):
            assert person.get(path, headers=headers).status_code == 403, path
        by_browser = {**CHROME, **basic_header()}
        assert person.get(path, headers=by_browser).status_code == 403, path
        answer = person.get(path, headers={**CHROME, "X-CSRF-Token": token})
        if who_may_act(app.view_functions[rule.endpoint]) == "scripts":
            assert answer.status_code == 403
        else:
            assert admitted(answer), (path, answer.text)


@pytest.mark.usefixtures("integration")
def test_get_with_side_effects_works_for_scripts_with_and_without_a_cookie(
    app: Flask, person: FlaskClient
) -> None:
    for rule in acting(app):
        for client in (person, app.test_client(use_cookies=False)):
            answer = client.get(address(app, rule), headers=basic_header())
            assert admitted(answer), (rule.rule, answer.text)


def test_head_never_acts(app: Flask, person: FlaskClient) -> None:
    for rule in acting(app):
        for headers in (basic_header(), {"Sec-Fetch-Site": "same-origin"}):
            answer = person.head(address(app, rule), headers=headers)
            assert answer.status_code == 405, rule.rule
            assert "HEAD" not in answer.headers["Allow"]


def test_over_https_a_page_of_plain_http_under_the_same_name_is_another_port(
    person: FlaskClient, token: str
) -> None:
    form = {"csrf_token": token}
    for scheme, origin, status in (
        ("https", "http://localhost", 403),
        ("https", "https://localhost", 303),
    ):
        answer = person.post(
            "/runs/stop-all",
            data=form,
            headers={"Origin": origin},
            environ_overrides={"wsgi.url_scheme": scheme},
        )
        assert answer.status_code == status
