"""MCP servers, added, changed, tested and chosen here: the real CLI says the same about them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.features.claude_mcp.servers.serving import (
    SCRIPT,
    SECRET,
    add,
    api,
    cli,
    given,
    servers_of_the_user,
    trust,
)
from tests.support.environment import Sandbox
from tests.support.mcp.http_server import OAuthMcp, oauth_mcp
from tests.support.pages import dom

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def remote() -> Iterator[OAuthMcp]:
    with oauth_mcp() as server:
        yield server


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


def test_desktop_defect_test_tests_nothing(
    client: FlaskClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    given(sandbox, sticks={"command": sys.executable, "args": [SCRIPT, str(started)]})
    client.get("/claude/mcp/servers/user/sticks")
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


def test_desktop_defect_status_is_always_empty(
    client: FlaskClient, sandbox: Sandbox, remote: OAuthMcp
) -> None:
    clouds = {"type": "http", "url": f"{remote.url}/mcp"}
    given(sandbox, sticks={}, broken={"command": "/nonexistent/program"}, clouds=clouds)
    assert client.get("/claude/mcp").text.count("not tested") == 3
    assert client.post("/claude/mcp/test").status_code == 303
    page = " ".join(dom.parse(client.get("/claude/mcp").text).text.split())
    assert "sticks connected · 2 tools" in page
    assert "broken failed" in page
    assert "clouds needs sign-in" in page
    assert "Sign in" in client.get("/claude/mcp/servers/user/clouds").text
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


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_edited_server_keeps_its_secrets_and_what_the_form_does_not_know(
    client: FlaskClient, sandbox: Sandbox
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
    headers = {"Authorization": f"Bearer {SECRET}", "X-More": "1"}
    assert servers_of_the_user(sandbox)["clouds"] == {**definition, "headers": headers}


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_server_that_changed_meanwhile_is_not_overwritten(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    given(sandbox, sticks={})
    fields = form_of(client.get("/claude/mcp/servers/user/sticks/edit").text)
    path = sandbox.config_dir / ".claude.json"
    state = json.loads(path.read_text())
    state["mcpServers"]["sticks"] |= {"command": "cat", "args": ["elsewhere"]}
    path.write_text(json.dumps(state))
    fields["args"] = "of-mine"
    answer = client.post("/claude/mcp/servers/user/sticks/edit", data=fields)
    assert answer.status_code == 409
    assert "elsewhere" in answer.text
    assert form_of(answer.text)["args"] == "of-mine"
    assert servers_of_the_user(sandbox)["sticks"]["args"] == ["elsewhere"]
    again = client.get("/claude/mcp/servers/user/sticks/edit").text
    now = form_of(again)["revision"]
    assert fields["revision"] != form_of(answer.text)["revision"] == now, "it may be sent again"


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_removed_server_is_gone(client: FlaskClient, sandbox: Sandbox) -> None:
    given(sandbox, sticks={})
    assert client.post("/claude/mcp/servers/user/sticks/remove").status_code == 303
    assert servers_of_the_user(sandbox) == {}
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
    assert client.post(f"{address}/approve", data=folder).status_code == 303
    assert "Connected" in cli(sandbox, claude, "list")
    assert client.post(f"{address}/reject", data=folder).status_code == 303
    assert "open:" not in cli(sandbox, claude, "list")
    assert "rejected" in client.get("/claude/mcp", query_string=folder).text
    assert client.post("/claude/mcp/choices/reset", data=folder).status_code == 303
    assert "Pending approval" in cli(sandbox, claude, "list")


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_server_is_turned_off_and_on_in_a_project(
    client: FlaskClient, app: Flask, sandbox: Sandbox, claude: Path
) -> None:
    folder = {"folder": str(sandbox.project)}
    given(sandbox, sticks={})
    assert client.post("/claude/mcp/servers/user/sticks/off", data=folder).status_code == 303
    assert "Turn on" in client.get("/claude/mcp/servers/user/sticks", query_string=folder).text
    assert "isabled" in cli(sandbox, claude, "get", "sticks")
    assert client.post("/claude/mcp/servers/user/sticks/on", data=folder).status_code == 303
    assert "Turn off" in client.get("/claude/mcp/servers/user/sticks", query_string=folder).text
    state = json.loads((sandbox.config_dir / ".claude.json").read_text())
    assert not state["projects"][str(sandbox.project)].get("disabledMcpServers")
