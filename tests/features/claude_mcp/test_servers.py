"""MCP servers, added, changed, tested and chosen here: the real CLI says the same about them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.engines.claude.files import history
from opcode_htmx.features.context import AppContext
from tests.support.apps.in_process import app_of, client_of
from tests.support.apps.local_server import asked_once
from tests.support.clients.api import prompt
from tests.support.clients.api import session as project_session
from tests.support.environment import Sandbox
from tests.support.mcp import stdio_server
from tests.support.mcp.http_server import OAuthMcp, oauth_mcp
from tests.support.pages import dom

pytestmark = pytest.mark.timeout(180)

SCRIPT = str(Path(stdio_server.__file__))
SECRET = "t0p-secret"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("mcp") / "home").make()


@pytest.fixture(scope="module")
def app(home: Sandbox, claude: Path) -> Iterator[Flask]:
    with app_of(home, claude) as made, asked_once(made, home):
        yield made


@pytest.fixture
def sandbox(home: Sandbox) -> Sandbox:
    home.empty_config()
    for name in (".mcp.json", ".claude/settings.local.json"):
        (home.project / name).unlink(missing_ok=True)
    return home


@pytest.fixture
def client(app: Flask, sandbox: Sandbox) -> FlaskClient:
    return client_of(app)


@pytest.fixture(scope="module")
def remote() -> Iterator[OAuthMcp]:
    with oauth_mcp() as server:
        yield server


def cli(sandbox: Sandbox, claude: Path, *arguments: str) -> str:
    """What `claude mcp …` prints in the project."""
    done = subprocess.run(
        [str(claude), "mcp", *arguments],
        cwd=sandbox.project,
        env=sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def add(client: FlaskClient, **fields: str) -> TestResponse:
    given = {"kind": "stdio", "command": sys.executable, "args": SCRIPT, **fields}
    return client.post("/claude/mcp/new", data=given)


def trust(app: Flask, sandbox: Sandbox) -> None:
    context: AppContext = app.extensions["opcode_context"]
    context.runs.project_trust.accept(sandbox.project)


def form_of(page: str) -> dict[str, str]:
    """The fields of the form on a page, as a browser would send them."""
    found = {}
    for each in dom.parse(page).walk():
        name = each.attributes.get("name")
        if name and each.tag == "textarea":
            found[name] = each.text.removeprefix("\n")
        elif name and each.tag == "input":
            found[name] = each.attributes.get("value") or ""
    return found


def test_desktop_defect_test_tests_nothing(client: FlaskClient, tmp_path: Path) -> None:
    started = tmp_path / "started"
    add(client, name="sticks", args=f"{SCRIPT}\n{started}", scope="user")
    assert not started.exists(), "a page starts no server"
    client.get("/claude/mcp")
    assert not started.exists(), "a page starts no server"
    answer = client.post("/claude/mcp/servers/user/sticks/test")
    assert answer.status_code == 303
    assert started.exists()
    page = client.get(answer.location).text
    assert "count_apples" in page
    assert "Count the apples &lt;on&gt; one tree." in page
    assert "may destroy" in page


def test_desktop_defect_status_is_always_empty(client: FlaskClient, remote: OAuthMcp) -> None:
    add(client, name="sticks", scope="user")
    add(client, name="broken", command="/nonexistent/program", args="", scope="user")
    add(client, name="clouds", kind="http", url=f"{remote.url}/mcp", scope="user")
    assert client.get("/claude/mcp").text.count("not tested") == 3
    assert client.post("/claude/mcp/test").status_code == 303
    page = " ".join(dom.parse(client.get("/claude/mcp").text).text.split())
    assert "sticks connected · 2 tools" in page
    assert "broken failed" in page
    assert "clouds needs sign-in" in page
    assert "ENOENT" in client.get("/claude/mcp/servers/user/broken").text
    (broken,) = [e for e in api(client, "GET", "") if e["name"] == "broken"]
    assert broken["status"]["running"] is False
    assert "ENOENT" in broken["status"]["error"]
    assert broken["status"]["last_checked"] > 0


def test_added_server_is_what_the_cli_lists_and_its_secrets_are_not_shown_again(
    client: FlaskClient, sandbox: Sandbox, claude: Path
) -> None:
    folder = {"folder": str(sandbox.project)}
    assert add(client, name="sticks", scope="local", env=f"API_TOKEN={SECRET}", **folder).location
    page = client.get("/claude/mcp/servers/local/sticks", query_string=folder).text
    assert SECRET not in page
    assert "API_TOKEN: ********" in page
    said = cli(sandbox, claude, "get", "sticks")
    assert f"API_TOKEN={SECRET}" in said
    assert "Local config" in said


def test_edited_server_keeps_its_secrets_and_what_the_form_does_not_know(
    client: FlaskClient, sandbox: Sandbox, claude: Path
) -> None:
    definition = {
        "type": "http",
        "url": "http://127.0.0.1:9/mcp",
        "headers": {"Authorization": f"Bearer {SECRET}"},
        "timeout": 7000,
    }
    text = json.dumps({"mcpServers": {"clouds": definition}})
    assert client.post(
        "/claude/mcp/new", data={"kind": "json", "json": text, "scope": "user"}
    ).location.endswith("/claude/mcp/servers/user/clouds")
    page = client.get("/claude/mcp/servers/user/clouds/edit").text
    assert SECRET not in page
    fields = form_of(page)
    fields["headers"] += "\r\nX-More: 1"
    answer = client.post("/claude/mcp/servers/user/clouds/edit", data=fields)
    assert answer.status_code == 303
    state = json.loads((sandbox.config_dir / ".claude.json").read_text())
    headers = {"Authorization": f"Bearer {SECRET}", "X-More": "1"}
    assert state["mcpServers"]["clouds"] == {**definition, "headers": headers}
    assert "X-More: 1" in cli(sandbox, claude, "get", "clouds")


def test_server_that_changed_meanwhile_is_not_overwritten(
    client: FlaskClient, sandbox: Sandbox, claude: Path
) -> None:
    add(client, name="sticks", scope="user")
    fields = form_of(client.get("/claude/mcp/servers/user/sticks/edit").text)
    cli(sandbox, claude, "remove", "-s", "user", "sticks")
    cli(sandbox, claude, "add", "-s", "user", "sticks", "--", "cat", "elsewhere")
    fields["args"] = "of-mine"
    answer = client.post("/claude/mcp/servers/user/sticks/edit", data=fields)
    assert answer.status_code == 409
    assert "elsewhere" in answer.text
    assert form_of(answer.text)["args"] == "of-mine"
    assert "elsewhere" in cli(sandbox, claude, "get", "sticks")
    again = client.post("/claude/mcp/servers/user/sticks/edit", data=form_of(answer.text))
    assert again.status_code == 303
    assert "of-mine" in cli(sandbox, claude, "get", "sticks")


def test_removed_server_is_gone_for_the_cli(
    client: FlaskClient, sandbox: Sandbox, claude: Path
) -> None:
    add(client, name="sticks", scope="user")
    assert client.post("/claude/mcp/servers/user/sticks/remove").status_code == 303
    assert 'No MCP server named "sticks"' in cli(sandbox, claude, "get", "sticks")
    assert client.get("/claude/mcp/servers/user/sticks").status_code == 404


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "two words"}, "A name has letters"),
        ({"name": "--scope"}, ""),
        ({"name": "a", "command": " "}, "It needs a command."),
        ({"name": "a", "env": "no equals sign"}, "Write NAME=value"),
        ({"name": "a", "env": "TOKEN=********"}, "stands for the value of TOKEN"),
        ({"name": "a", "kind": "http", "url": "ftp://x"}, "It needs a URL"),
        ({"name": "a", "kind": "json", "json": "{"}, "It is not valid JSON: line 1"),
        ({"name": "a", "kind": "json", "json": '{"type": "odd", "url": "x"}'}, "The type must be"),
    ],
)
def test_server_that_claude_could_not_use_is_refused_and_the_words_are_kept(
    client: FlaskClient, fields: dict[str, str], reason: str
) -> None:
    answer = add(client, scope="user", **fields)
    if not reason:
        assert answer.status_code == 303, "no name is taken for an option"
        return
    assert answer.status_code == 422
    assert reason in answer.text
    kept = form_of(answer.text)
    assert {name: kept[name] for name in fields} == fields


def test_server_of_mcp_json_is_approved_rejected_and_asked_for_again_as_in_a_terminal(
    client: FlaskClient, app: Flask, sandbox: Sandbox, claude: Path, remote: OAuthMcp
) -> None:
    folder = {"folder": str(sandbox.project)}
    add(client, name="open", kind="http", url=f"{remote.url}/open", scope="project", **folder)
    assert json.loads((sandbox.project / ".mcp.json").read_text())["mcpServers"]["open"]
    trust(app, sandbox)
    address = "/claude/mcp/servers/project/open"
    assert "not approved yet" in client.get("/claude/mcp", query_string=folder).text
    assert "Pending approval" in cli(sandbox, claude, "list")
    assert client.post(f"{address}/approve", data=folder).status_code == 303
    assert "Connected" in cli(sandbox, claude, "list")
    assert client.post(f"{address}/reject", data=folder).status_code == 303
    assert "open:" not in cli(sandbox, claude, "list")
    assert "rejected" in client.get("/claude/mcp", query_string=folder).text
    assert client.post("/claude/mcp/choices/reset", data=folder).status_code == 303
    assert "Pending approval" in cli(sandbox, claude, "list")


def test_server_is_turned_off_and_on_in_a_project(
    client: FlaskClient, app: Flask, sandbox: Sandbox, claude: Path
) -> None:
    folder = {"folder": str(sandbox.project)}
    add(client, name="sticks", scope="user")
    assert client.post("/claude/mcp/servers/user/sticks/off", data=folder).status_code == 303
    assert "Turn on" in client.get("/claude/mcp/servers/user/sticks", query_string=folder).text
    assert "isabled" in cli(sandbox, claude, "get", "sticks")
    assert client.post("/claude/mcp/servers/user/sticks/on", data=folder).status_code == 303
    assert "Connected" in cli(sandbox, claude, "get", "sticks")


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
    assert client.post("/claude/mcp/test", data=folder).status_code == 303
    assert client.post("/claude/mcp/servers/project/bad/test", data=folder).status_code == 303
    assert client.post("/claude/mcp/servers/project/bad/on", data=folder).status_code == 422
    api(client, "POST", "/bad/test", {"project_path": str(inner)})
    assert not started.exists()


def test_server_of_a_project_is_not_started_under_the_name_of_one_of_the_user(
    client: FlaskClient, app: Flask, sandbox: Sandbox, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    add(client, name="sticks", scope="user")
    definition = {"command": sys.executable, "args": [SCRIPT, str(started)]}
    context: AppContext = app.extensions["opcode_context"]
    for folder, is_trusted in ((sandbox.project / "mimic", False), (sandbox.project, True)):
        folder.mkdir(exist_ok=True)
        (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"sticks": definition}}))
        if is_trusted:
            rejected = folder / ".claude" / "settings.local.json"
            rejected.parent.mkdir(exist_ok=True)
            rejected.write_text(json.dumps({"disabledMcpjsonServers": ["sticks"]}))
            trust(app, sandbox)
        assert (context.runs.project_trust.needed(folder) is None) == is_trusted
        project = {"folder": str(folder)}
        assert client.post("/claude/mcp/test", data=project).status_code == 303
        address = "/claude/mcp/servers/user/sticks"
        assert client.post(f"{address}/test", data=project).status_code == 303
        assert not started.exists()
        assert "Count the apples" in client.get(address, query_string=project).text
        shown = client.get("/claude/mcp/servers/project/sticks", query_string=project).text
        assert "Count the apples" not in shown, "it is the user's server that was tested"


def test_servers_are_imported_from_claude_desktop(
    client: FlaskClient, sandbox: Sandbox, claude: Path
) -> None:
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
    said = cli(sandbox, claude, "list")
    assert "fruit-trees: cat" in said
    assert "left:" not in said


# --- the API ----------------------------------------------------------------------------------


def api(client: FlaskClient, method: str, path: str, body: object = None, **query: str) -> Any:
    answer = client.open(f"/api/mcp/servers{path}", method=method, json=body, query_string=query)
    assert answer.status_code in (200, 201), answer.text
    return answer.get_json()["data"]


def test_api_adds_changes_tests_and_removes_as_the_desktop_does(
    client: FlaskClient, app: Flask, sandbox: Sandbox, claude: Path
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
    assert f"API_TOKEN={SECRET}" in cli(sandbox, claude, "get", "sticks")
    tested = api(client, "POST", "/sticks/test", {})
    assert tested["status"] == "connected"
    assert [each["name"] for each in tested["tools"]] == ["count_apples", "fell"]
    assert api(client, "GET", "/sticks")["status"]["running"] is True
    api(client, "DELETE", "/clouds", **project)
    assert [e["name"] for e in api(client, "GET", "", **project)] == ["sticks"]
    assert client.get("/api/mcp/servers/clouds").status_code == 404


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
    query = {"project_path": str(sandbox.project)}
    reset = client.post("/api/mcp/project-choices/reset", json=query)
    assert reset.status_code == 200
