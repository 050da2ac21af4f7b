"""The OpenAPI description: complete, accurate, and no request that it allows breaks the server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import validator_for

from opcode_htmx.api.schema import openapi
from opcode_htmx.api.schema.openapi import EXAMPLES
from opcode_htmx.web.origin.cors import API_FOLDERS
from opcode_htmx.web.server import url_rules
from opcode_htmx.web.server.url_rules import NOT_LOADED
from tests.support.apps.in_process import app_of, client_of
from tests.support.clients.api import line, prompt, session
from tests.support.environment import PASSWORD, ROOT, USER, Sandbox
from tests.support.fuzzing import FACTOR
from tests.support.server import Server

FOLDER = "/home/me/work/orchard"

SECONDS = 600
"""The time limit of the run with generated requests."""

UNKNOWABLE = "positive_data_acceptance"
"""A schema cannot require that a folder exists."""
CONFIGURATION = f"""
hooks = "{Path(__file__).with_name("generated_cases.py")}"

[phases.coverage]
unexpected-methods = ["options"]
"""
"""All other methods are tried by tests/security/access/every_door/, on each address of the app."""


@pytest.fixture(scope="module")
def shared_settings(shared_sandbox: Sandbox) -> dict[str, str]:
    return {"OPCODE_PROJECT_ROOTS": str(shared_sandbox.project)}


@pytest.fixture(scope="module")
def server(shared_sandbox: Sandbox, shared_server: Server) -> Server:
    config = shared_sandbox.config_dir
    session(
        config,
        FOLDER,
        prompt("a", FOLDER) + line({"type": "x"}) + "no json",
        EXAMPLES["session_id"],
    )
    (config / "commands").mkdir()
    (config / "commands" / "tidy.md").write_text("Tidy up.")
    (config / ".claude.json").write_text(json.dumps({"mcpServers": {"a": {"command": "cat"}}}))
    return shared_server


def operations(document: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """By method and path."""
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def description(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/api/openapi.json").json()
    return found


def test_every_route_of_the_api_is_described_and_nothing_else(
    sandbox: Sandbox, stand_in: Path, integration: None
) -> None:
    with app_of(sandbox, stand_in) as app:
        document = client_of(app).get("/api/openapi.json").get_json()
        rules = [rule for rule in app.url_map.iter_rules() if not rule.websocket]
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in rules
        for method in rule.methods or ()
        if rule.rule.startswith(API_FOLDERS) and method not in ("HEAD", "OPTIONS")
    }
    assert served == operations(document).keys()


def test_the_description_is_openapi_3_1_with_one_name_for_each_operation(server: Server) -> None:
    found = description(server)
    assert found["openapi"].startswith("3.1.")
    assert found["security"] == [{"basic": []}]
    described = operations(found).values()
    names = [each["operationId"] for each in described]
    assert len(names) == len(set(names))
    for each in described:
        assert each["summary"]
        assert "401" in each["responses"]
    schemas = found["components"]["schemas"]
    validator_for({"anyOf": [*schemas.values()], "components": found["components"]})


def test_every_reference_of_the_description_leads_to_a_part_of_it(server: Server) -> None:
    found = description(server)
    named = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    references = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(found)))
    assert references
    assert references <= named


def test_the_page_of_the_description_lists_every_endpoint(server: Server) -> None:
    page = server.get("/api/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    for method, path in operations(description(server)):
        assert f"{method} {path}</code>" in page.text


@pytest.mark.timeout(SECONDS + 20)
def test_no_request_that_can_be_made_up_breaks_the_server_or_the_description(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    run = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "run"),
            f"{server.url}/api/openapi.json",
            *("--auth", f"{USER}:{PASSWORD}"),
            *("--phases", f"examples,coverage{',fuzzing' if FACTOR > 1 else ''}"),
            *("--checks", "all", "--exclude-checks", UNKNOWABLE),
            *("--max-examples", str(4 * FACTOR)),
            *("--generation-database", "none", "--seed", "4", "--no-color"),
        ],
        cwd=tmp_path,
        env={
            **server.sandbox.environment(),
            "PYTHONWARNINGS": "ignore",
            "NO_PROXY": "127.0.0.1",  # else each request looks through the environment for proxies
            # else it makes its table of all characters anew, which takes seconds
            "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),
            **({"FUZZ": str(FACTOR)} if FACTOR > 1 else {}),
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    count = len(operations(description(server)))
    # It does not ask for the description itself
    assert re.search(rf"Tested: +{count - 1}\b", run.stdout), run.stdout


def test_routes_that_could_not_be_added_are_added_by_the_next_request(
    sandbox: Sandbox, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files may be taken, for example, when the models are imported."""
    monkeypatch.setattr(url_rules, "RETRY_SECONDS", 0.0)
    with app_of(sandbox, stand_in, jobs=False) as app:
        client = client_of(app)
        with monkeypatch.context() as without_files:
            without_files.setattr(openapi, "Description", refuse)
            refused = client.get("/api/health")
            assert (refused.status_code, refused.get_json()["error"]) == (503, NOT_LOADED)
        assert client.get("/api/health").status_code == 200
        assert any(rule.rule == "/ws/claude" for rule in app.url_map.iter_rules())


def refuse(*_: object) -> None:
    raise OSError("too many open files")
