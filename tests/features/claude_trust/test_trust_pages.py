"""The pages of the trusted projects: what each brings, and trust that is taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.features.context import AppContext
from tests.support.environment import PASSWORD, USER, Sandbox
from tests.support.in_process import app_of

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
