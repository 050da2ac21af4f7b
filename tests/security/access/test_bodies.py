"""Request bodies that are large, truncated, or deeply nested: a clear sentence, and no stall."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from opcode_htmx.api.sockets import incoming
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.concurrency import cooperative
from opcode_htmx.lib.files import json_files
from opcode_htmx.web.http import request_body
from opcode_htmx.web.rest.invalid_request import InvalidRequest
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, basic_header, write_stand_in

FORM = "application/x-www-form-urlencoded"
DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.fixture(scope="module")
def app(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("bodies")
    with app_of(Sandbox(folder / "home").make(), write_stand_in(folder / "claude")) as app:
        yield app


@pytest.fixture
def script(app: Flask) -> FlaskClient:
    client = app.test_client(use_cookies=False)
    client.environ_base = {"HTTP_AUTHORIZATION": basic_header()["Authorization"]}
    return client


# Forms ------------------------------------------------------------------------------------------


def test_form_with_too_many_fields_is_refused(script: FlaskClient) -> None:
    answer = script.post("/sessions", data=b"a=&" * 1_000_000, content_type=FORM)
    assert answer.status_code == 413
    assert "1000 fields" in answer.text


def test_a_large_form_is_taken_apart_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def run(function: object, data: bytes) -> object:
        calls.append(len(data))
        return cooperative.run_cpu_in_thread(request_body._pairs, data)

    monkeypatch.setattr(request_body, "run_cpu_in_thread", run)
    app = Flask(__name__)
    app.request_class = request_body.Request
    text = "你" * 200_000
    with app.test_request_context(method="POST", data={"prompt": text, "b": ""}):
        assert request.form["prompt"] == text
        assert request.form["b"] == ""
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"a=1&b=&c&a=2", [("a", "1"), ("a", "2"), ("b", ""), ("c", "")]),
        (b"a=%FF%zz+x", [("a", "\ufffd%zz x")]),
        (b"\xff=1", [("\ufffd", "1")]),
        (b"", []),
    ],
)
def test_a_form_is_read_as_browsers_write_it(body: bytes, fields: list[tuple[str, str]]) -> None:
    app = Flask(__name__)
    app.request_class = request_body.Request
    with app.test_request_context(method="POST", data=body, content_type=FORM):
        assert list(request.form.items(multi=True)) == fields


def test_incomplete_body_is_refused() -> None:
    whole = request_body.Body(io.BytesIO(b"user=me"), 7, 100)
    assert whole.read() == b"user=me"
    half = request_body.Body(io.BytesIO(b"user"), 7, 100)
    with pytest.raises(ClientDisconnected):
        half.read()


def test_a_body_without_a_length_is_bounded_as_well() -> None:
    assert request_body.Body(io.BytesIO(b"a" * 100), None, 100).read() == b"a" * 100
    with pytest.raises(RequestEntityTooLarge):
        request_body.Body(io.BytesIO(b"a" * 101), None, 100).read()


def test_nothing_is_read_beyond_the_length() -> None:
    inner = io.BytesIO(b"a" * 10 + b"next")
    request_body.Body(inner, 10, 100).read()
    assert inner.read() == b"next"


# JSON -------------------------------------------------------------------------------------------


def json_endpoints(script: FlaskClient) -> list[tuple[str, str]]:
    """The methods and addresses that take a body of JSON, as the API describes them."""
    described = script.get("/api/openapi.json").json
    assert described is not None
    return [
        (method.upper(), re.sub("{[^}]+}", "1", path))
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


@pytest.mark.parametrize("depth", [101, 100_000])
def test_deeply_nested_body_is_refused_with_a_sentence(script: FlaskClient, depth: int) -> None:
    inner = b"[" * depth + b"]" * depth
    endpoints = json_endpoints(script)
    assert len(endpoints) > 50
    for method, path in endpoints:
        for body in (inner, b'{"settings": ' + inner + b', "prompt": "x"}'):
            answer = script.open(path, method=method, data=body, content_type="application/json")
            assert answer.status_code == 400, f"{method} {path}: {answer.text}"
            assert answer.json is not None
            assert "nested deeper than 100 levels" in answer.json["error"]


def test_body_with_too_many_values_is_refused(script: FlaskClient) -> None:
    for piece in (b"1,", b'"",', b"[],"):
        body = b'{"settings": {"a": [' + piece * 1_000_000 + b"1]}}"
        answer = script.put("/api/settings/claude", data=body, content_type="application/json")
        assert answer.status_code == 413
        assert "values" in answer.text


def test_deeply_nested_message_is_refused_with_a_sentence() -> None:
    for text in (DEEP, b'{"type": "ping", "x": ' + DEEP + b"}"):
        with pytest.raises(InvalidRequest, match="nested deeper than 100 levels"):
            incoming.value_in(text.decode())


def test_parsed_depth_can_always_be_serialised() -> None:
    text = b"[" * bounded_json.DEEPEST + b"]" * bounded_json.DEEPEST
    value = bounded_json.loads(text)

    def deeper(frames: int) -> str:
        return deeper(frames - 1) if frames else json.dumps(value)

    assert deeper(300)
    for each in (b"[" + text + b"]", DEEP):
        with pytest.raises(bounded_json.TooDeep, match="deeper than"):
            bounded_json.loads(each)


def test_deeply_nested_state_file_is_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    path.write_bytes(b'{"a": ' + DEEP + b"}")
    schema = json_files.JsonFileSchema(1, lambda content: content)
    assert schema.read(path) is None
    schema.write(path, {"b": 1})
    assert schema.read(path) == {"b": 1}
    assert len(list(tmp_path.glob("*.unreadable-*"))) == 1
