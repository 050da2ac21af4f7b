"""What a person chooses on the page Appearance is in every page that the server sends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemLoader

from opcode_htmx.features.appearance import FEATURE, routes
from opcode_htmx.features.appearance.service import (
    CHOICES,
    Appearance,
    AppearanceStore,
)
from opcode_htmx.lib import resources
from opcode_htmx.lib.audit_log import LOGGER
from opcode_htmx.web.http import errors, filters, headers
from tests.support.apps.gate import access
from tests.support.environment import ROOT
from tests.support.pages import dom


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "appearance.json"


@pytest.fixture
def client(tmp_path: Path, file: Path) -> FlaskClient:
    app = Flask(__name__, static_folder=str(ROOT / "static"))
    app.jinja_loader = FileSystemLoader([resources.TEMPLATES, FEATURE.folder / "templates"])
    access(tmp_path / "state", "opcode", "right")[0].init_app(app)
    headers.register(app)
    filters.register(app)
    errors.register(app, {})
    app.register_blueprint(routes.blueprint(AppearanceStore(file)))
    client = app.test_client()
    client.post("/login", data={"user": "opcode", "password": "right"})
    return client


def choose(client: FlaskClient, **choices: str) -> None:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/appearance").text)
    assert token
    answer = client.post("/appearance", data={"csrf_token": token[1], **choices})
    assert answer.status_code == 303


def html_tag(page: str) -> str:
    found = re.search(r"<html[^>]*>", page)
    assert found
    return found[0]


def test_what_nobody_has_changed_is_in_no_page(client: FlaskClient) -> None:
    page = client.get("/appearance").text
    assert html_tag(page) == '<html lang="en">'
    assert re.findall(r'value="(\w+)" checked', page) == [
        "system",
        "100",
        "comfortable",
        "off",
        "on",
    ]


def test_choices_are_attributes_of_every_page(client: FlaskClient) -> None:
    choose(client, theme="black", density="compact", font="130", keys="off")
    expected = (
        '<html lang="en" data-theme="black" data-density="compact" data-font="130" data-keys="off">'
    )
    for path in ("/appearance", "/nowhere"):
        assert html_tag(client.get(path).text) == expected
    assert 'value="black" checked' in client.get("/appearance").text


def test_without_scripts_a_button_saves(client: FlaskClient) -> None:
    address, fields = dom.form_of(client.get("/appearance").text, "Save")
    answer = client.post(address, data={**fields, "theme": "contrast"})
    page = client.get(answer.location).text
    assert (answer.status_code, 'data-theme="contrast"' in html_tag(page)) == (303, True)
    assert 'value="contrast" checked' in page


def test_a_choice_is_logged(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger=LOGGER):
        choose(client, theme="dark")
    line = caplog.messages[-1]
    assert line.startswith("actor=opcode/")
    assert " action=appearance.choose " in line
    assert " theme=dark density=comfortable font=100 keys=on reach=off" in line


def test_the_login_page_follows_the_system(client: FlaskClient) -> None:
    choose(client, theme="black")
    other = client.application.test_client()
    assert html_tag(other.get("/login").text) == '<html lang="en">'


def test_unknown_choices_are_the_defaults(client: FlaskClient, file: Path) -> None:
    choose(client, theme='"><script>', font="100000")
    assert html_tag(client.get("/appearance").text) == '<html lang="en">'
    users = {"opcode": {"theme": "of a later version", "font": ["130"], "density": "compact"}}
    file.write_text(json.dumps({"version": 1, "users": users}))
    assert html_tag(client.get("/appearance").text) == '<html lang="en" data-density="compact">'


def test_each_user_has_their_own(file: Path) -> None:
    store = AppearanceStore(file)
    store.choose("ann", Appearance(theme="dark"))
    store.choose("ben", Appearance(font="150"))
    other_worker = AppearanceStore(file)
    assert other_worker.of("ann") == Appearance(theme="dark")
    assert other_worker.of("ben") == Appearance(font="150")
    assert other_worker.of("eve") == Appearance()


@pytest.mark.parametrize("theme", CHOICES["theme"])
def test_bars_of_the_browser_have_the_colour_of_the_page(client: FlaskClient, theme: str) -> None:
    choose(client, theme=theme)
    page = client.get("/appearance").text
    scheme = re.findall(r'<meta name="color-scheme" content="([^"]+)">', page)
    bars = re.findall(r'<meta name="theme-color" content="(#\w+)"([^>]*)>', page)
    light, dark = grounds()[theme]
    expected = {
        "light": [light],
        "dark": [dark],
        "light dark": [light, dark],
    }
    assert len(scheme) == 1
    assert [colour for colour, _ in bars] == expected[scheme[0]]
    assert all(("media=" in rest) == (len(bars) == 2) for _, rest in bars)
    assert scheme[0] == {"light": "light", "dark": "dark", "black": "dark"}.get(theme, "light dark")


LISTENS = 'matchMedia("(prefers-color-scheme: dark)").addEventListener('
"""A script may draw again when the colours change, which it reads from the style."""


def test_light_and_dark_differ_in_their_colours_only() -> None:
    """So whatever is measured on a page in one theme holds in the other one."""
    bars = re.compile(r'<meta name="theme-color"[^\n]*')
    colour = r"#[0-9a-f]{6}"
    pair = re.compile(rf"light-dark\({colour}, {colour}\)")
    for path in of_the_browser():
        text = bars.sub("", path.read_text(encoding="utf-8")).replace(LISTENS, "")
        assert "prefers-color-scheme" not in text, path
        assert "light-dark" not in pair.sub("", text), path


def of_the_browser() -> list[Path]:
    """Every stylesheet, script and template of ours."""
    folders = [ROOT / "static", ROOT / "templates", ROOT / "opcode_htmx"]
    files = [path for folder in folders for path in folder.rglob("*.*")]
    ours = [path for path in files if "vendor" not in path.parts]
    return [path for path in ours if path.suffix in (".css", ".js", ".html", ".svg", ".py")]


def grounds() -> dict[str, tuple[str, str]]:
    """The background of each theme, light and dark, from the stylesheet."""
    css = (ROOT / "static" / "style.css").read_text()
    usual = re.search(r"--bg: light-dark\((#\w+), (#\w+)\)", css)
    own = re.findall(r':root\[data-theme="(\w+)"\] \{\s*--bg: (?:light-dark\()?(#\w+)', css)
    high = re.search(r'"contrast"\] \{\s*--bg: light-dark\((#\w+), (#\w+)\)', css)
    assert usual
    assert high
    black = dict(own)["black"]
    same = dict.fromkeys(("system", "light", "dark"), (usual[1], usual[2]))
    return {**same, "contrast": (high[1], high[2]), "black": (black, black)}
