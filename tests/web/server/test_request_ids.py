"""Each answer names its request, under the id that the log has, and that a proxy may have given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from opcode_htmx.lib.logs.log_files import CURRENT, FOLDER
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox

OWN = re.compile(r"[0-9a-f]{12}")


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Iterator[Flask]:
    with app_of(sandbox, stand_in, jobs=False) as app:
        yield app


def logged(sandbox: Sandbox) -> list[dict[str, Any]]:
    path = sandbox.state / FOLDER / CURRENT
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def test_every_answer_has_an_id_of_its_own(client: FlaskClient) -> None:
    answers = [client.get(path) for path in ("/healthz", "/", "/nowhere", "/static/style.css")]
    ids = [each.headers["X-Request-Id"] for each in answers]
    assert all(OWN.fullmatch(each) for each in ids)
    assert len(set(ids)) == len(ids)


def test_a_page_of_an_error_shows_the_id(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert f"Request {answer.headers['X-Request-Id']}" in answer.text


def test_a_named_proxy_may_name_a_request_and_nobody_else(
    client: FlaskClient, sandbox: Sandbox, stand_in: Path
) -> None:
    given = "0b1c2d3e-aaaa-bbbb-cccc-0123456789ab"

    def id_of(client: FlaskClient, address: str) -> str:
        answer = client.get(
            "/healthz", headers={"X-Request-Id": given}, environ_overrides={"REMOTE_ADDR": address}
        )
        return answer.headers["X-Request-Id"]

    assert OWN.fullmatch(id_of(client, "127.0.0.1")), "no proxy is named"
    with app_of(sandbox, stand_in, jobs=False, OPCODE_TRUSTED_PROXIES="192.0.2.7") as app:
        behind = client_of(app)
        assert id_of(behind, "192.0.2.7") == given
        assert OWN.fullmatch(id_of(behind, "192.0.2.8"))
        assert OWN.fullmatch(id_of(behind, "127.0.0.1"))
        assert OWN.fullmatch(id_of(behind, ""))


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "-x", "a\tb", "é", '"><script>'])
def test_an_id_that_is_none_is_replaced(sandbox: Sandbox, stand_in: Path, given: str) -> None:
    with app_of(sandbox, stand_in, jobs=False, OPCODE_TRUSTED_PROXIES="127.0.0.1") as app:
        sent = {"X-Request-Id": given.encode().decode("latin-1")}
        answer = client_of(app).get("/healthz", headers=sent)
    assert OWN.fullmatch(answer.headers["X-Request-Id"])


def test_an_unexpected_error_is_in_the_file_under_the_id_without_what_was_sent(
    app: Flask, client: FlaskClient, sandbox: Sandbox
) -> None:
    def fail(**values: object) -> str:
        raise RuntimeError(f"cannot send {request.form['prompt']!r}")

    endpoint, _ = app.url_map.bind("").match("/prompts", "POST")
    app.view_functions[endpoint] = fail
    prompt = "a prompt that\nnobody may log"
    answer = client.post("/prompts", data={"prompt": prompt})
    assert answer.status_code == 500
    request_id = answer.headers["X-Request-Id"]
    assert f"under {request_id}." in answer.text
    (entry,) = [each for each in logged(sandbox) if each.get("request") == request_id]
    assert entry["level"] == "error"
    assert "RuntimeError" in entry["error"]
    assert "nobody may log" not in json.dumps(entry)


def test_an_error_between_two_requests_of_a_connection_is_logged(
    app: Flask, client: FlaskClient, sandbox: Sandbox
) -> None:
    """As when pages are loaded, before the request for one has begun."""
    client.post("/prompts", data={"prompt": "a prompt"})
    app.logger.error("it failed", exc_info=RuntimeError("no memory"))
    assert [each["error"] for each in logged(sandbox) if each["message"] == "it failed"] == [
        "RuntimeError: no memory"
    ]


def test_who_is_not_logged_in_fills_no_log(app: Flask, sandbox: Sandbox) -> None:
    stranger = app.test_client()
    before = len(logged(sandbox))
    assert stranger.get("/runs").status_code == 401
    assert stranger.get("/nowhere").status_code == 401
    assert len(logged(sandbox)) == before
