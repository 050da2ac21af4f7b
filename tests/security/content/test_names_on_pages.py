"""Names of folders, files and sessions: every page shows their invisible characters."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.engines.claude.files import history
from opcode_htmx.markup.visible_text import visible_text
from tests.support.apps.in_process import app_of
from tests.support.clients import api
from tests.support.environment import (
    PASSWORD,
    USER,
    Sandbox,
    write_stand_in,
)

HIDDEN = "safe\u202egpj\u2066\u200b\ufeff\x1b[8m"
SESSION = "11111111-1111-4111-8111-111111111111"
PROSE = re.compile(
    r'<(textarea|script)\b.*?</\1>|<div class="(?:prompt-text|part md|said md)".*?</div>', re.DOTALL
)
"""Places that keep characters unchanged: texts of users and of Claude, and fields to edit."""
READ = re.compile(r'\b(?:title|aria-label|alt|placeholder)="([^"]*)"')


def use(name: str, **tool_input: str) -> str:
    content = [{"type": "tool_use", "id": name, "name": name, "input": tool_input}]
    message = {"id": f"m-{name}", "content": content}
    return api.line({"type": "assistant", "uuid": f"u-{name}", "message": message})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("names")
    sandbox = Sandbox(folder / "home").make()
    project = sandbox.project / HIDDEN
    project.mkdir()
    for name in (f"{HIDDEN}.txt".encode(), b"safe-\xff.txt"):
        Path(os.fsdecode(os.fsencode(project) + b"/" + name)).write_text("x", encoding="utf-8")
    lines = [
        api.prompt(f"prompt {HIDDEN}", project),
        use("Bash", command=f"ls {HIDDEN}", description=HIDDEN),
        use("Read", file_path=f"{project}/{HIDDEN}"),
        use("Write", file_path=HIDDEN, content=HIDDEN),
        use("Task", description=HIDDEN, prompt=HIDDEN),
        use("TodoWrite"),
        use(f"mcp__{HIDDEN}__{HIDDEN}", query=HIDDEN),
        api.line({"type": "custom-title", "customTitle": HIDDEN, "sessionId": SESSION}),
    ]
    api.session(sandbox.config_dir, project, "".join(lines), SESSION)
    with app_of(sandbox, write_stand_in(folder / "claude")) as app:
        app.config["FOLDER"] = project
        app.config["PROJECT"] = history.project_id(project)
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)


def pages(app: Flask) -> list[str]:
    project = app.config["PROJECT"]
    session = f"/projects/{project}/sessions/{SESSION}"
    folder = quote(str(app.config["FOLDER"]))
    return [
        *("/", "/runs", f"/new?folder={folder}", f"/projects/{project}", session),
        *(f"{session}/search?q=safe", f"{session}/export.html", f"{session}/blocks/Bash/share"),
        *(f"{session}/complete?q=@safe", f"/new/complete?q=@safe&folder={folder}"),
    ]


def shown(html: str) -> str:
    """The texts of a page that are read, with the values of attributes that are."""
    rest = PROSE.sub("", html)
    texts = re.sub(r"<[^>]*>", " ", rest)
    return unescape(" ".join([texts, *READ.findall(rest)])).replace("\n", " ")


def test_no_page_has_a_name_that_acts_or_hides(app: Flask, client: FlaskClient) -> None:
    for address in pages(app):
        answer = client.get(address, auth=(USER, PASSWORD))
        assert answer.status_code == 200, address
        text = shown(answer.text)
        assert not {sign for sign in text if visible_text(sign) != sign}, address
        if address not in ("/runs",) and "/new?" not in address:
            assert "⟨U+202E⟩" in text, address


def test_a_field_holds_the_name_as_it_is(app: Flask, client: FlaskClient) -> None:
    folder = quote(str(app.config["FOLDER"]))
    form = client.get(f"/new?folder={folder}", auth=(USER, PASSWORD)).text
    assert f'value="{app.config["FOLDER"]}"' in unescape(form)
    found = client.get(f"/new/complete?q=@safe&folder={folder}", auth=(USER, PASSWORD)).text
    assert f'data-insert="@{HIDDEN}.txt ' in unescape(found)


def test_a_file_whose_name_is_no_utf8_breaks_no_list(app: Flask, client: FlaskClient) -> None:
    folder = quote(str(app.config["FOLDER"]))
    answer = client.get(f"/new/complete?q=@safe-&folder={folder}", auth=(USER, PASSWORD))
    assert answer.status_code == 200
    answer.data.decode()


@pytest.mark.parametrize("path", ["/", "/api/sessions/running"])
def test_a_response_with_half_a_surrogate_pair_is_utf8(app: Flask, path: str) -> None:
    """The response of a view: a text, a stream or JSON."""
    half = "cut \ud83d"
    for value in (half, (each for each in (half, half)), {"title": half}):
        with app.test_request_context(path):
            response = app.make_response(value)
            body = b"".join(response.iter_encoded()).decode()
            assert "cut \ufffd" in body or "cut \\ud83d" in json.dumps(json.loads(body))
