"""Static files: our own scripts and styles are served without comments and white space."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.web.assets.minify import minified
from opcode_htmx.web.assets.static_files import StaticFiles
from tests.support.environment import ROOT

SCRIPT = """// A comment.
const words = `two  blanks // stay`; /* as does */
const slash = /\\/\\*[^/]*\\*\\// ; // a pattern
"""


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    (tmp_path / "own.js").write_text(SCRIPT)
    (tmp_path / "library.min.js").write_text(SCRIPT)
    (tmp_path / "broken.js").write_bytes(b"// \xff\n1")
    (tmp_path / "look.css").write_text("/* why */\nbody { color: red; }\n")
    (tmp_path / "all.bundle").write_text("own.js\nmissing.js\nlibrary.min.js\n")
    app = Flask(__name__, static_folder=None)
    StaticFiles(tmp_path).init_app(app)
    return app.test_client()


def test_own_scripts_are_served_without_comments(client: FlaskClient) -> None:
    response = client.get("/static/own.js")
    assert response.mimetype == "text/javascript"
    assert "comment" not in response.text
    assert "`two  blanks // stay`" in response.text
    assert r"/\/\*[^/]*\*\//" in response.text


def test_own_styles_are_served_without_comments(client: FlaskClient) -> None:
    response = client.get("/static/look.css")
    assert (response.mimetype, response.text) == ("text/css", "body{color:red}")


def test_files_of_libraries_are_served_as_they_are(client: FlaskClient) -> None:
    with client.get("/static/library.min.js") as response:
        assert response.get_data(as_text=True) == SCRIPT


def test_a_script_that_cannot_be_read_as_text_is_served_as_it_is(client: FlaskClient) -> None:
    with client.get("/static/broken.js") as response:
        assert response.data == b"// \xff\n1"


def test_an_unchanged_script_is_not_sent_again(client: FlaskClient) -> None:
    etag = client.get("/static/own.js").headers["ETag"]
    assert client.get("/static/own.js", headers={"If-None-Match": etag}).status_code == 304


def test_a_bundle_is_all_of_its_scripts_without_those_that_are_missing(client: FlaskClient) -> None:
    response = client.get("/static/all.bundle")
    assert response.mimetype == "text/javascript"
    assert response.text == f"{client.get('/static/own.js').text};\n;\n{SCRIPT}"


def test_hash_of_a_bundle_changes_with_each_of_its_scripts(tmp_path: Path) -> None:
    (tmp_path / "all.bundle").write_text("one.js\ntwo.js\n")
    files, seen = StaticFiles(tmp_path), set()
    for number, name in enumerate(("one.js", "two.js", "one.js")):
        (tmp_path / name).write_text(f"// {'x' * number}")
        seen.add(files.hash_of("all.bundle"))
    assert len(seen) == 3


def test_every_script_of_a_bundle_is_there() -> None:
    features = ROOT / "opcode_htmx" / "features"
    for bundle in [*features.rglob("*.bundle"), *(ROOT / "static").glob("*.bundle")]:
        for name in bundle.read_text().split():
            feature, _, rest = name.partition("/")
            own = features / feature / "static" / rest
            assert own.is_file() or (ROOT / "static" / name).is_file(), name


@pytest.mark.parametrize(
    "name", ["none.js", "../app.py", "..%2fsecret.js", "own.js/x.js", "a%00.js"]
)
def test_missing_files_and_files_outside_are_not_found(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_every_script_of_ours_becomes_smaller() -> None:
    scripts = [*(ROOT / "static").glob("*.js"), *(ROOT / "opcode_htmx").rglob("static/*.js")]
    assert scripts
    for script in scripts:
        assert len(minified(script) or b"") < script.stat().st_size, script
