"""MCP servers of projects are started only as trusted; and servers by the API."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.engines.claude.files import history
from opcode_htmx.features.context import AppContext
from tests.features.claude_mcp.servers.serving import (
    SCRIPT,
    SECRET,
    api,
    given,
    servers_of_the_user,
    trust,
)
from tests.support.clients.api import prompt
from tests.support.clients.api import session as project_session
from tests.support.environment import Sandbox

pytestmark = pytest.mark.timeout(180)


def test_servers_of_an_untrusted_project_are_never_started(
    client: FlaskClient, app: Flask, sandbox: Sandbox, tmp_path: Path
) -> None:
    inner = sandbox.project / "inner"
    inner.mkdir(exist_ok=True)
    started = tmp_path / "started"
    definition = {"command": sys.executable, "args": [SCRIPT, str(started)]}
    (inner / ".mcp.json").write_text(json.dumps({"mcpServers": {"bad": definition}}))
    context: AppContext = app.extensions["opcode_context"]
    assert context.runs.project_trust.needed(inner)
    folder = {"folder": str(inner)}
    # that all are tested: see the next test
    assert client.post("/claude/mcp/servers/project/bad/test", data=folder).status_code == 303
    assert client.post("/claude/mcp/servers/project/bad/on", data=folder).status_code == 422
    api(client, "POST", "/bad/test", {"project_path": str(inner)})
    assert not started.exists()


def test_server_of_a_project_is_not_started_under_the_name_of_one_of_the_user(
    client: FlaskClient, app: Flask, sandbox: Sandbox, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    given(sandbox, sticks={})
    definition = {"command": sys.executable, "args": [SCRIPT, str(started)]}
    context: AppContext = app.extensions["opcode_context"]
    address = "/claude/mcp/servers/user/sticks"
    for folder, is_trusted, door in (
        (sandbox.project / "mimic", False, "/claude/mcp/test"),
        (sandbox.project, True, f"{address}/test"),
    ):
        folder.mkdir(exist_ok=True)
        servers = dict.fromkeys(("sticks", "of-the-project"), definition)
        (folder / ".mcp.json").write_text(json.dumps({"mcpServers": servers}))
        if is_trusted:
            rejected = folder / ".claude" / "settings.local.json"
            rejected.parent.mkdir(exist_ok=True)
            rejected.write_text(json.dumps({"disabledMcpjsonServers": [*servers]}))
            trust(app, sandbox)
        assert (context.runs.project_trust.needed(folder) is None) == is_trusted
        project = {"folder": str(folder)}
        assert client.post(door, data=project).status_code == 303
        assert not started.exists()
        assert "Count the apples" in client.get(address, query_string=project).text
        shown = client.get("/claude/mcp/servers/project/sticks", query_string=project).text
        assert "Count the apples" not in shown, "it is the user's server that was tested"


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_servers_are_imported_from_claude_desktop(client: FlaskClient, sandbox: Sandbox) -> None:
    assert "has no servers" in client.get("/claude/mcp/desktop").text
    path = sandbox.home / ".config" / "Claude" / "claude_desktop_config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    servers = {
        "fruit trees": {"command": "cat", "args": ["--token", SECRET]},
        "left": {"command": "cat"},
        "odd": {"command": 7},
    }
    path.write_text(json.dumps({"mcpServers": servers, "theme": "dark"}))
    page = client.get("/claude/mcp/desktop").text
    assert SECRET not in page
    answer = client.post("/claude/mcp/desktop", data={"name": "fruit-trees", "scope": "user"})
    assert answer.status_code == 303
    (imported,) = servers_of_the_user(sandbox).items()
    assert imported[0] == "fruit-trees"
    assert (imported[1]["command"], imported[1]["args"]) == ("cat", ["--token", SECRET])


# --- the API --------------------------------------------------------------------------------


def test_api_adds_changes_tests_and_removes_as_the_desktop_does(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    project = {"project_path": str(sandbox.project)}
    added = api(
        client,
        "POST",
        "",
        {
            "name": "sticks",
            "command": sys.executable,
            "args": [SCRIPT],
            "env": {"API_TOKEN": SECRET},
            "scope": "user",
        },
    )
    assert added["env"] == {"API_TOKEN": "********"}
    one = json.dumps({"type": "http", "url": "http://127.0.0.1:9/mcp"})
    body = {"name": "clouds", "json_config": one, "scope": "local", **project}
    assert client.post("/api/mcp/add-json", json=body).get_json()["data"]["scope"] == "local"
    assert [e["name"] for e in api(client, "GET", "", **project)] == ["clouds", "sticks"]
    config = {"command": sys.executable, "args": [SCRIPT], "env": {"API_TOKEN": "********"}}
    api(client, "PUT", "/sticks", {"config": {**config, "timeout": 5000}})
    assert servers_of_the_user(sandbox)["sticks"]["env"] == {"API_TOKEN": SECRET}
    tested = api(client, "POST", "/sticks/test", {})
    assert tested["status"] == "connected"
    assert [each["name"] for each in tested["tools"]] == ["count_apples", "fell"]
    assert api(client, "GET", "/sticks")["status"]["running"] is True
    api(client, "DELETE", "/clouds", **project)
    assert [e["name"] for e in api(client, "GET", "", **project)] == ["sticks"]
    assert client.get("/api/mcp/servers/clouds").status_code == 404


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_api_writes_the_mcp_json_of_a_project(client: FlaskClient, sandbox: Sandbox) -> None:
    project_session(sandbox.config_dir, sandbox.project, prompt("hello", sandbox.project))
    path = f"/api/projects/{history.project_id(sandbox.project)}/mcp-config"
    servers = {"ours": {"type": "http", "url": "http://127.0.0.1:9", "headers": {"X": SECRET}}}
    first = client.put(path, json={"config": {"mcpServers": servers}}).get_json()["data"]
    assert first["config"]["mcpServers"]["ours"]["headers"] == {"X": "********"}
    body = {"config": first["config"], "revision": first["revision"]}
    assert client.put(path, json=body).status_code == 200
    assert SECRET in (sandbox.project / ".mcp.json").read_text()
    (sandbox.project / ".mcp.json").write_text('{"mcpServers": {}}')
    assert client.put(path, json=body).status_code == 409
    assert client.get(path).get_json()["data"]["config"] == {"mcpServers": {}}
    half = {"mcpServers": {"\ud800": {"command": "\ud800", "args": ["\ud800"]}}}
    (sandbox.project / ".mcp.json").write_text(json.dumps(half))
    assert client.get(path).get_json()["data"]["config"] == half
    query = {"project_path": str(sandbox.project)}
    reset = client.post("/api/mcp/project-choices/reset", json=query)
    assert reset.status_code == 200
