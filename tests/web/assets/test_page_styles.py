"""Styles inside a page: for a browser that has no stylesheet yet, and allowed by their hash."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.web.assets.static_files import StaticFiles
from opcode_htmx.web.http import headers
from tests.support.environment import ROOT

OPENS_A_PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
"""What Chromium, Firefox and Safari send with a navigation, in the part that they share."""
STYLE = re.compile(r'<style data-address="([^"]+)">(.*?)</style>', re.DOTALL)
LINK = re.compile(r'<link rel="stylesheet" href="([^"]+)">')

PAGE = """{{ stylesheet("look.css") }}{{ stylesheet("look.css") }}{{ stylesheet("list.css") }}"""


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    (tmp_path / "look.css").write_text("/* why */\nbody { color: red; }\n")
    (tmp_path / "list.css").write_text("li { color: blue; }\n")
    (tmp_path / "image.css").write_text("li { background: url(dot.png); }\n")
    (tmp_path / "closing.css").write_text("li::before { content: '</style><script>'; }\n")
    app = Flask(__name__, static_folder=None)
    files = StaticFiles(tmp_path)
    files.init_app(app)
    headers.register(app, files)

    @app.get("/page")
    def page() -> str:
        return app.jinja_env.from_string(PAGE).render()

    @app.get("/one/<name>")
    def one(name: str) -> str:
        return app.jinja_env.from_string("{{ stylesheet(name) }}").render(name=name)

    return app.test_client()


def source_of(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def test_a_first_page_has_its_styles_inside_and_allows_them_by_hash(client: FlaskClient) -> None:
    answer = client.get("/page", headers=OPENS_A_PAGE)
    inside = STYLE.findall(answer.text)
    assert [style for _, style in inside] == [*["body{color:red}"] * 2, "li{color:blue}"]
    assert not LINK.search(answer.text)
    policy = answer.headers["Content-Security-Policy"]
    sources = f"{source_of('body{color:red}')} {source_of('li{color:blue}')}"
    assert f"style-src 'self' {sources};" in policy
    assert "unsafe" not in policy


def test_a_stylesheet_that_was_fetched_is_linked(client: FlaskClient) -> None:
    first = client.get("/page", headers=OPENS_A_PAGE)
    address = STYLE.findall(first.text)[0][0]
    client.set_cookie("opcode_styles", f"000000000000.{address.partition('v=')[2]}")
    answer = client.get("/page", headers=OPENS_A_PAGE)
    assert LINK.findall(answer.text) == [address] * 2
    assert [style for _, style in STYLE.findall(answer.text)] == ["li{color:blue}"]
    assert source_of("body{color:red}") not in answer.headers["Content-Security-Policy"]


def test_a_changed_stylesheet_is_inside_again(client: FlaskClient, tmp_path: Path) -> None:
    address = STYLE.findall(client.get("/page", headers=OPENS_A_PAGE).text)[0][0]
    client.set_cookie("opcode_styles", address.partition("v=")[2])
    (tmp_path / "look.css").write_text("body { color: green; }\n")
    answer = client.get("/page", headers=OPENS_A_PAGE)
    assert "<style data-address" in answer.text
    assert source_of("body{color:green}") in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("accept", ["*/*", "text/html", ""])
def test_a_page_for_a_script_has_links(client: FlaskClient, accept: str) -> None:
    answer = client.get("/page", headers={"Accept": accept})
    assert len(LINK.findall(answer.text)) == 3
    assert not STYLE.search(answer.text)
    assert "style-src 'self';" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["image.css", "closing.css", "missing.css"])
def test_what_cannot_be_part_of_a_page_is_linked(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/one/{name}", headers=OPENS_A_PAGE)
    assert LINK.search(answer.text)
    assert "</style" not in answer.text


def test_our_stylesheets_can_all_be_inside_a_page() -> None:
    for path in stylesheets():
        text = path.read_text(encoding="utf-8")
        assert "url(" not in text, f"{path} would lead elsewhere from a page"
        assert "</" not in text, path


def stylesheets() -> Iterator[Path]:
    yield from (ROOT / "static").glob("*.css")
    yield from (ROOT / "opcode_htmx").glob("features/*/static/*.css")


def test_every_block_of_our_stylesheets_ends() -> None:
    """A browser skips what follows a brace too many, and says nothing."""
    for path in stylesheets():
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        depths = [*accumulate({"{": 1, "}": -1}.get(character, 0) for character in text)]
        assert depths[-1] == min(depths) == 0, path


def test_no_page_links_to_a_stylesheet_by_itself() -> None:
    for folder in (ROOT / "templates", ROOT / "opcode_htmx"):
        for path in folder.rglob("*.html"):
            if path.name not in {"export.html", "notice.html"}:  # a file, and a page elsewhere
                assert 'rel="stylesheet"' not in path.read_text(encoding="utf-8"), path
