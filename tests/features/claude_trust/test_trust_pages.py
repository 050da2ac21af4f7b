"""The trusted projects, on pages and in the API: what each brings, and trust taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.features.context import AppContext
from tests.support.apps.in_process import app_of
from tests.support.environment import PASSWORD, USER, Sandbox
from tests.support.pages.claude_pages import outcome_of

HOOK = {"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "./setup.sh"}]}]}}


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Iterator[Flask]:
    (sandbox.project / ".claude").mkdir()
    (sandbox.project / ".claude/settings.json").write_text(json.dumps(HOOK))
    accepted = {"hasTrustDialogAccepted": True, "history": [1]}
    outside = sandbox.home / "elsewhere"
    (outside / ".claude").mkdir(parents=True)
    (outside / ".claude/settings.json").write_text(json.dumps({"apiKeyHelper": "secret.sh"}))
    projects = {str(sandbox.project): accepted, "/gone/<b>": accepted, str(outside): accepted}
    state = {"theme": "dark", "projects": {**projects, "/never": {"history": []}}}
    (sandbox.config_dir / ".claude.json").write_text(json.dumps(state))
    with app_of(sandbox, stand_in) as app:
        yield app


def get(app: Flask, path: str, **query: str) -> TestResponse:
    return client(app).get(path, query_string=query, auth=(USER, PASSWORD))


def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_trusted_projects_are_listed_with_what_they_bring(app: Flask, sandbox: Sandbox) -> None:
    text = get(app, "/claude/trust").text
    assert "Runs by itself: 1" in text
    assert text.index("orchard") < text.index("gone/") or "gone</span>" in text
    assert "<b></b>" not in text
    assert "/never" not in text
    page = get(app, "/claude/trust/project", name=str(sandbox.project)).text
    assert "./setup.sh" in page
    assert "This folder is gone" in get(app, "/claude/trust/project", name="/gone/<b>").text


def test_files_outside_of_the_project_roots_are_not_shown(app: Flask, sandbox: Sandbox) -> None:
    page = get(app, "/claude/trust/project", name=str(sandbox.home / "elsewhere")).text
    assert "outside of those that this server shows" in page
    assert "secret.sh" not in page


def test_trust_that_is_taken_back_is_needed_again_and_all_else_is_kept(
    app: Flask, sandbox: Sandbox
) -> None:
    context: AppContext = app.extensions["opcode_context"]
    state = sandbox.config_dir / ".claude.json"
    before = json.loads(state.read_text())
    assert context.runs.project_trust.needed(sandbox.project) is None
    form = {"name": str(sandbox.project)}
    answer = client(app).post("/claude/trust/project", data=form, auth=(USER, PASSWORD))
    assert answer.status_code == 303
    after = json.loads(state.read_text())
    assert after["projects"][str(sandbox.project)].pop("hasTrustDialogAccepted") is False
    before["projects"][str(sandbox.project)].pop("hasTrustDialogAccepted")
    assert after == before
    needed = context.runs.project_trust.needed(sandbox.project)
    assert needed is not None
    assert [item.text for item in needed.items] == ["./setup.sh"]
    assert get(app, "/claude/trust/project", **form).status_code == 303
    answer = client(app).post("/claude/trust/project", data=form, auth=(USER, PASSWORD))
    assert answer.status_code == 303


def api(app: Flask, method: str, **query: str) -> tuple[int, Any]:
    """The status of the answer, and its data or its sentence."""
    answer = client(app).open(
        "/api/trust", method=method, query_string=query, auth=(USER, PASSWORD)
    )
    return outcome_of(answer)


def test_api_lists_what_trusted_projects_bring_without_secrets(
    app: Flask, sandbox: Sandbox
) -> None:
    settings = {**HOOK, "env": {"API_TOKEN": "t0p-secret", "MODE": "fast"}}
    (sandbox.project / ".claude/settings.json").write_text(json.dumps(settings))
    keyed = {"command": "cat", "env": {"MY_KEY": "t0p-secret"}}
    plain = {"command": "cat", "args": ["--token", "t0p-secret", "-v"]}
    servers = {"mcpServers": {"keyed": keyed, "plain": plain}}
    (sandbox.project / ".mcp.json").write_text(json.dumps(servers))
    project, outside = str(sandbox.project), str(sandbox.home / "elsewhere")
    status, found = api(app, "GET")
    assert status == 200
    assert {each["project_path"]: (each["is_gone"], each["brings"]) for each in found} == {
        project: (False, {"hook": 1, "environment": 2, "server": 2}),
        outside: (False, None),
        "/gone/<b>": (True, None),
    }
    assert {each["items"] for each in found} == {None}
    status, (one,) = api(app, "GET", project_path=project)
    assert status == 200
    texts = {(each["kind"], each["name"]): each["text"] for each in one["items"]}
    assert texts["hook", "SessionStart"] == "./setup.sh"
    assert texts["environment", "MODE"] == "fast"
    assert texts["environment", "API_TOKEN"] == "********"
    assert json.loads(texts["server", "keyed"])["env"] == {"MY_KEY": "********"}
    assert texts["server", "plain"] == "cat --token '********' -v"
    assert "t0p-secret" not in json.dumps(one)
    assert api(app, "GET", project_path=outside)[1][0]["items"] is None
    assert api(app, "GET", project_path="/never")[0] == 404


def test_api_takes_trust_back(app: Flask, sandbox: Sandbox) -> None:
    context: AppContext = app.extensions["opcode_context"]
    project = str(sandbox.project)
    assert api(app, "DELETE", project_path="/never")[0] == 404
    assert context.runs.project_trust.needed(sandbox.project) is None
    assert api(app, "DELETE", project_path=project) == (200, None)
    assert context.runs.project_trust.needed(sandbox.project) is not None
    assert api(app, "DELETE", project_path=project)[0] == 404
    assert project not in {each["project_path"] for each in api(app, "GET")[1]}
