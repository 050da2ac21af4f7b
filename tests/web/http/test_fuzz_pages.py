"""Arbitrary values in every address: ids, cursors, query and form fields. Never a 500."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.files import history
from tests.support.apps.in_process import app_of
from tests.support.clients.api import session
from tests.support.environment import (
    PASSWORD,
    USER,
    Sandbox,
    write_stand_in,
)
from tests.support.fuzzing import (
    HALF,
    HISTORY,
    HOSTILE_TEXT,
    RARE,
    STDOUT,
    examples,
    patient,
    sessions,
    values,
)
from tests.web.websocket.test_fuzz_frames import assert_sentence

pytestmark = patient

SESSION = "11111111-1111-4111-8111-111111111111"
NEVER = frozenset({"wait"})
"""A query that may take a minute, as it says."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("pages")
    sandbox = Sandbox(folder / "home").make()
    lines = b"".join((*HISTORY, *RARE)).decode()
    session(
        sandbox.config_dir,
        sandbox.project,
        lines.replace("/home/me/work/orchard", str(sandbox.project)),
        SESSION,
    )
    with app_of(sandbox, write_stand_in(folder / "claude")) as app:
        app.config["PROJECT"] = history.project_id(sandbox.project)
        app.config["CONFIG"] = sandbox.config_dir
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)


TEXTS = (
    st.text(max_size=12)
    | HOSTILE_TEXT
    | st.sampled_from(
        [
            *("0:0", "1:99999", "999999:999999999999999", "-1:-1", "9" * 40, "0" * 32, SESSION),
            *("..", ".", "~", "/", "/etc/passwd", "1e9", "true", "null", "default", "html", "md"),
            *(str(uuid.UUID(int=number)) for number in (1, 2, 3)),
        ]
    )
).map(lambda text: text.replace("\ud800", HALF))
FIELDS = st.sampled_from(
    [
        *("cursor", "before", "after", "limit", "q", "page", "next", "folder", "prompt", "title"),
        *("prompt_id", "session_id", "model", "effort", "permission_mode", "mode", "reason"),
        *("answer", "suggestion", "text", "name", "file", "path", "block", "at", "user"),
        *("password", "keep_running", "from", "until", "project_path", "content", "workingDir"),
    ]
)
QUERIES = st.dictionaries(FIELDS | TEXTS, TEXTS, max_size=4).map(
    lambda query: {name: value for name, value in query.items() if name not in NEVER}
)


@examples(12)
@given(sessions(HISTORY + RARE + STDOUT), st.binary(max_size=9))
def test_session_with_arbitrary_history_is_listed_shown_searched_and_exported(
    app: Flask, client: FlaskClient, lines: list[bytes], rest: bytes
) -> None:
    project, session_id = app.config["PROJECT"], str(uuid.uuid4())
    path = app.config["CONFIG"] / "projects" / project / f"{session_id}.jsonl"
    path.write_bytes(HISTORY[0] + b"".join(lines) + rest)
    of_session = f"/projects/{project}/sessions/{session_id}"
    for address in (
        "/",
        f"/projects/{project}",
        of_session,
        *(f"{of_session}/export.{ending}" for ending in ("md", "html", "jsonl")),
        f"{of_session}/search?q=e",
        "/api/projects",
        f"/api/projects/{project}/sessions",
        f"/api/sessions/{session_id}/history/{project}",
        f"/api/claude/sessions/{session_id}",
    ):
        answer = client.get(address, auth=(USER, PASSWORD))
        body = answer.get_data()
        answer.close()
        assert answer.status_code == 200, (address, body[:500])
        if answer.is_json:
            json.loads(body, parse_constant=refuse)
    path.unlink()


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.usefixtures("integration")
@examples(150)
@given(data=st.data())
def test_arbitrary_url_does_not_break_the_server(
    app: Flask, client: FlaskClient, data: st.DataObject
) -> None:
    rules = sorted(
        (rule.rule, method, rule)
        for rule in app.url_map.iter_rules()
        if not rule.websocket and rule.endpoint != "access.logout"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )
    index = data.draw(st.integers(0, len(rules) - 1))
    path, method, rule = rules[index]
    for name in sorted(rule.arguments):
        known = {"project_id": app.config["PROJECT"], "session_id": SESSION, "either_id": SESSION}
        value = data.draw(TEXTS, name)
        if name in known and data.draw(st.integers(0, 3)):
            value = known[name]
        for converter in ("", "path:", "int:", "string:"):
            path = path.replace(f"<{converter}{name}>", quote(as_bytes(value), safe=""))
    query = encoded(data.draw(QUERIES, "query"))
    sent: dict[str, Any] = {}
    if method in ("POST", "PUT", "PATCH"):
        match data.draw(st.sampled_from(["form", "json", "bytes"])):
            case "form":
                fields = data.draw(QUERIES, "form")
                sent["data"] = encoded(fields)
                sent["content_type"] = "application/x-www-form-urlencoded"
            case "json":
                sent["data"] = json.dumps(data.draw(values(FIELDS), "json"))
                sent["content_type"] = "application/json"
            case _:
                sent["data"] = data.draw(st.binary(max_size=30), "bytes")
                sent["content_type"] = data.draw(TEXTS.filter(str.isascii).filter(str.isprintable))
    htmx = {"HX-Request": "true"} if data.draw(st.booleans()) else {}
    address = f"{path}?{query}"
    answer = client.open(address, method=method, auth=(USER, PASSWORD), headers=htmx, **sent)
    answer.get_data()  # a stream is not over before it has been read
    answer.close()
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    if answer.is_json and answer.status_code >= 400:
        assert_sentence((answer.json or {})["error"])


def encoded(fields: dict[str, str]) -> str:
    """As in a query or a form, also where no browser could send it."""
    return "&".join(f"{quote(as_bytes(k))}={quote(as_bytes(v))}" for k, v in fields.items())


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
