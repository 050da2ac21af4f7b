"""Below a base path no form, login or cookie leads to an address outside of it.

What a GET shows is held by tests/security/access/test_get_only_shows.py. Every POST of the URL map
is sent, so a new route is checked without an edit here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.config.settings import Settings, SettingsError
from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.origin.cors import API_FOLDERS
from opcode_htmx.web.server.base_path import Mount
from opcode_htmx.web.server.trusted_proxies import TrustedProxies
from tests.security.access.doors import HOST, ORIGIN, doors_of
from tests.support.apps.in_process import app_of, client_of
from tests.support.clients import api
from tests.support.environment import PASSWORD, ROOT, TEMPLATES, USER, Sandbox, write_stand_in
from tests.support.populated import SESSION, populate
from tests.web.server.leaks import BASE, leaks

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("base") / "home").make()


@pytest.fixture(scope="module")
def app(
    home: Sandbox, integration: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    stand_in = write_stand_in(tmp_path_factory.mktemp("cli") / "claude")
    with app_of(home, stand_in, OPCODE_BASE_PATH=BASE, OPCODE_TERMINAL="1") as app:
        yield app


def test_no_form_leads_outside(sandbox: Sandbox, stand_in: Path, integration: None) -> None:
    wrong, redirects, populated = dict[str, list[str]](), 0, populate(sandbox)
    with app_of(sandbox, stand_in, OPCODE_BASE_PATH=BASE) as app:
        client = client_of(app)
        for door in doors_of(app, populated.known):
            if door.method != "POST" or door.rule.startswith(API_FOLDERS):
                continue
            address = BASE + populated.address(door)
            with closing(client.post(address, headers={"Host": HOST})) as answer:
                redirects += answer.status_code == 303
                if found := leaks(app, answer):
                    wrong[door.rule] = found
    assert not wrong, json.dumps(wrong, indent=1)
    assert redirects > 30


def test_a_login_leads_on_inside(app: Flask) -> None:
    client = app.test_client()
    shown = client.get(
        f"{BASE}/runs", headers={"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    )
    assert shown.status_code == 401
    assert f'name="next" value="{BASE}/runs"' in shown.text
    form = {"user": USER, "password": PASSWORD, "next": f"{BASE}/runs"}
    answer = client.post(f"{BASE}/login", data=form, headers={"Host": HOST, "Origin": ORIGIN})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BASE}/runs")
    assert not leaks(app, answer)


@pytest.mark.parametrize(
    "target",
    [
        *(None, "/", "/runs", "/team", f"{BASE}x/", "https://evil.example"),
        *(f"{BASE}/../team", f"{BASE}/runs/../../team", f"{BASE}/%2E%2e/team", f"{BASE}/.%2e?x=1"),
        *(f"{BASE}/..", f"{BASE}/..//evil.example", f"{BASE}/..#x"),
    ],
)
def test_a_login_leads_to_no_neighbour(app: Flask, target: str | None) -> None:
    with app.test_request_context(f"{BASE}/login", environ_overrides={"SCRIPT_NAME": BASE}):
        assert local_path(target) == f"{BASE}/"
        assert local_path(f"{BASE}/runs?x=/") == f"{BASE}/runs?x=/"
        for kept in (f"{BASE}/files/a..b/.git/...?back=/../x", f"{BASE}/x/..y"):
            assert local_path(kept) == kept


def test_the_cookie_of_a_login_is_kept_from_neighbours(app: Flask) -> None:
    client = app.test_client()
    form = {"user": USER, "password": PASSWORD}
    for scheme, name in (("http", "opcode"), ("https", "__Secure-opcode")):
        answer = client.post(f"{BASE}/login", data=form, base_url=f"{scheme}://127.0.0.1")
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"{name}=")
        assert f"; Path={BASE};" in f"{cookie};"
        assert ("; Secure" in cookie) == (scheme == "https")
        page = client.get(f"{BASE}/runs", base_url=f"{scheme}://127.0.0.1")
        assert page.status_code == 200


def test_an_address_outside_says_where_the_app_is(app: Flask, client: FlaskClient) -> None:
    for path in ("/", "/runs", f"{BASE}x", "/team", "/healthz", f"{BASE.upper()}/runs"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert answer.text == (
            f"There is nothing at this address: the app is served below {BASE}/.\n"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert client.post(BASE).status_code == 404
    answer = client.get(f"{BASE}?from=s-1")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"{BASE}/?from=s-1")
    assert client.get(f"{BASE}/healthz").status_code == 200


def test_the_installed_app_and_its_shortcuts_lie_inside(client: FlaskClient) -> None:
    address = f"{ORIGIN}{BASE}/static/manifest.webmanifest"
    with closing(client.get(address)) as answer:
        manifest = json.loads(answer.text)
    assert "id" not in manifest  # it is the start page then, and so differs from a neighbour's
    addresses = [
        *(manifest["start_url"], manifest["scope"], manifest["share_target"]["action"]),
        *(each["url"] for each in manifest["shortcuts"]),
    ]
    found = [urlsplit(urljoin(address, each)).path for each in addresses]
    assert found == [f"{BASE}/", f"{BASE}/", f"{BASE}/share", f"{BASE}/new", f"{BASE}/runs"]


def test_the_api_describes_where_it_is(client: FlaskClient) -> None:
    document = client.get(f"{BASE}/api/openapi.json").get_json()
    assert document["servers"] == [{"url": BASE}]
    assert "/api/usage" in document["paths"]
    assert f"GET {BASE}/api/usage" in client.get(f"{BASE}/api/docs").text


def test_the_code_for_a_device_leads_inside(app: Flask) -> None:
    client = client_of(app)
    page = client.post(f"{BASE}/devices", headers={"Host": HOST}).text
    assert f":8080{BASE}/pair#" in page or f"{BASE}/pair#" in page


def test_the_way_back_is_a_list_of_this_app(client: FlaskClient, home: Sandbox) -> None:
    api.session(home.config_dir, home.project, api.prompt("hello", home.project), SESSION)
    session = f"{BASE}/projects/{project_id(home.project)}/sessions/{SESSION}"
    for came_from, is_known in ((f"{BASE}/runs", True), ("/runs", False), (BASE, False)):
        headers = {"Host": HOST, "Referer": f"{ORIGIN}{came_from}"}
        answer = client.get(session, headers=headers)
        cookies = [each for each in answer.headers.getlist("Set-Cookie") if "came_from" in each]
        assert bool(cookies) == is_known, came_from
        assert all(f"Path={session}" in each for each in cookies)


@pytest.mark.parametrize(
    "value", ["opcode", "/opcode/", "/", "//x", "/a b", "/a/../b", "/ä", "/a;b"]
)
def test_a_base_path_that_cannot_be_one_is_refused(home: Sandbox, value: str) -> None:
    with pytest.raises(SettingsError, match="^OPCODE_BASE_PATH must begin with / and not end"):
        Settings.from_env({**home.environment(), "OPCODE_BASE_PATH": value})


def test_without_a_base_path_nothing_stands_before_the_app(
    tmp_path: Path, stand_in: Path, integration: None
) -> None:
    with app_of(Sandbox(tmp_path / "other").make(), stand_in, jobs=False) as app:
        layer: object = app.wsgi_app
        while layer:
            assert not isinstance(layer, Mount | TrustedProxies)
            layer = getattr(layer, "_app", None)
        assert "data-base" not in client_of(app).get("/").text


LITERALS = (
    re.compile(r"""\b(?:href|src|action|formaction|hx-[a-z:-]+)=["']/"""),
    re.compile(r"""\{%-? set \w+ = ["']/|\b(?:back|selection)\(["']/"""),
)


def test_templates_write_no_address_by_hand() -> None:
    found = {
        str(path): [each[0] for rule in LITERALS for each in rule.finditer(path.read_text("utf-8"))]
        for path in TEMPLATES
    }
    by_hand = {path: addresses for path, addresses in found.items() if addresses}
    assert by_hand == {}, "begin it with {{ base_path }}, or take url_for"


SCRIPTS = sorted([*(ROOT / "static").glob("*.js"), *(ROOT / "opcode_htmx").rglob("static/*.js")])
BY_HAND = re.compile(r"""(?:fetch|assign|replace|WebSocket|sendBeacon|open|URL)\(["'`]/|href="/""")


def test_scripts_write_no_address_by_hand() -> None:
    found = {str(path): BY_HAND.findall(path.read_text("utf-8")) for path in SCRIPTS}
    assert {path: addresses for path, addresses in found.items() if addresses} == {}


def test_redirects_write_no_address_by_hand() -> None:
    by_hand = re.compile(r"""redirect\(\s*f?["']/|path=["']/["']""")
    found = [
        str(path)
        for path in (ROOT / "opcode_htmx").rglob("*.py")
        if by_hand.search(path.read_text("utf-8"))
    ]
    assert not found
