"""Slash commands and MCP servers over the API, from Claude's real files."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.config import mcp_config, slash_commands
from opcode_htmx.engines.claude.config.redaction import HIDDEN
from opcode_htmx.engines.claude.files import history
from tests.support.clients.api import (
    error,
    get,
    prompt,
    session,
)
from tests.support.environment import Sandbox
from tests.support.server import Server

COMMANDS, SERVERS = "/api/slash-commands", "/api/mcp/servers"

DEPLOY = """---
description: Ship it
argument-hint: <where>
allowed-tools: Bash(git add:*, git push:*), Read
---
Run !`git status`, look at @Makefile, then go to $1.
"""


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    """That of the shared server, with nothing in Claude's folder and the project."""
    found = server.sandbox
    found.empty_config()
    shutil.rmtree(found.project)
    found.project.mkdir()
    return found


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def by_id(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in found}


# Slash commands


def test_commands_have_the_documented_fields(server: Server, sandbox: Sandbox) -> None:
    write(sandbox.config_dir / "commands" / "tidy.md", "# Tidy up\n\nmail@example.org")
    path = sandbox.project / ".claude" / "commands" / "ops" / "deploy.md"
    write(path, DEPLOY)
    write(sandbox.project / ".claude" / "skills" / "graft" / "SKILL.md", "Graft.")
    assert [each["full_command"] for each in get(server, COMMANDS)] == ["/tidy"]
    session(sandbox.config_dir, sandbox.project, prompt("a", sandbox.project))
    project_id = history.project_id(sandbox.project)
    for query in (f"project_id={project_id}", f"project_path={sandbox.project}"):
        found = by_id(get(server, f"{COMMANDS}?{query}"))
        assert set(found) == {"project-ops-deploy", "project-graft", "user-tidy"}
        assert found["project-ops-deploy"] == {
            "id": "project-ops-deploy",
            "name": "deploy",
            "full_command": "/ops:deploy",
            "scope": "project",
            "namespace": "ops",
            "file_path": str(path),
            "content": "Run !`git status`, look at @Makefile, then go to $1.\n",
            "description": "Ship it",
            "allowed_tools": ["Bash(git add:*, git push:*)", "Read"],
            "has_bash_commands": True,
            "has_file_references": True,
            "accepts_arguments": True,
        }
        tidy = found["user-tidy"]
        assert (tidy["scope"], tidy["namespace"], tidy["description"]) == ("user", None, "Tidy up")
        flags = ("has_bash_commands", "has_file_references", "accepts_arguments")
        assert [tidy[flag] for flag in flags] == [False, False, False]


@pytest.mark.parametrize(
    ("value", "tools"),
    [
        ("Read, Write", ("Read", "Write")),
        ("[Read, 'Bash(ls:*)', 3]", ("Read", "Bash(ls:*)")),
        ("Bash(a:*, b:*)", ("Bash(a:*, b:*)",)),
        ("Bash(never closed", ("Bash", "never closed")),
        ("7", ()),
        ("", ()),
    ],
)
def test_allowed_tools_are_written_as_a_line_or_a_list(
    tmp_path: Path, value: str, tools: tuple[str, ...]
) -> None:
    write(tmp_path / "commands" / "x.md", f"---\nallowed-tools: {value}\n---\n")
    (found,) = slash_commands.files(None, tmp_path)
    assert found.allowed_tools == tools


def test_commands_have_the_names_that_claude_gives_them(
    claude: Path, server: Server, sandbox: Sandbox
) -> None:
    folder = sandbox.project / ".claude" / "commands"
    for name in ("plain.md", "ops/deploy.md", "ops/deep/down.md"):
        write(folder / name, "Do it.")
    asked = {"type": "control_request", "request_id": "1", "request": {"subtype": "initialize"}}
    streams = ["--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]
    run = subprocess.run(
        [str(claude), "-p", *streams],
        input=json.dumps(asked) + "\n",
        cwd=sandbox.project,
        env=sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    (answer,) = [
        each
        for each in map(json.loads, run.stdout.splitlines())
        if each["type"] == "control_response"
    ]
    known = {f"/{each['name']}" for each in answer["response"]["response"]["commands"]}
    ours = {
        each["full_command"] for each in get(server, f"{COMMANDS}?project_path={sandbox.project}")
    }
    assert ours == {"/plain", "/ops:deploy", "/ops:deep:down"}
    assert ours <= known


# MCP servers


def add(claude: Path, sandbox: Sandbox, *arguments: str) -> None:
    subprocess.run(
        [claude, "mcp", "add", *arguments],
        cwd=sandbox.project,
        env=sandbox.environment(),
        check=True,
        capture_output=True,
        timeout=60,
    )


def test_servers_are_those_that_the_real_cli_has_noted(
    claude: Path, server: Server, sandbox: Sandbox
) -> None:
    subprocess.run(["git", "init", "-q", sandbox.project], check=True, timeout=60)  # noqa: S607
    add(claude, sandbox, "-s", "user", "mine", "-e", "KEY=secret", "--", "cat", "a", "b")
    add(claude, sandbox, "-s", "local", "here", "--", "cat", "--token", "secret")
    address = "http://127.0.0.1:9/mcp"
    header = "Authorization: Bearer secret"
    add(claude, sandbox, "-s", "project", "-t", "http", "ours", address, "-H", header)
    (mine,) = get(server, SERVERS)
    assert mine == {
        "name": "mine",
        "transport": "stdio",
        "command": "cat",
        "args": ["a", "b"],
        "env": {"KEY": HIDDEN},
        "url": None,
        "headers": {},
        "scope": "user",
        "is_active": True,
        "status": {"running": False, "error": None, "last_checked": None},
    }
    here, ours, again = get(server, f"{SERVERS}?project_path={sandbox.project}")
    assert again == mine
    assert (here["name"], here["scope"], here["is_active"]) == ("here", "local", True)
    assert here["args"] == ["--token", HIDDEN]
    assert (ours["name"], ours["scope"], ours["transport"]) == ("ours", "project", "http")
    assert (ours["url"], ours["headers"]) == (address, {"Authorization": HIDDEN})
    assert ours["is_active"] is False, "the user has not said yes to it"
    write(sandbox.config_dir / "settings.json", '{"enabledMcpjsonServers": ["ours"]}')
    assert get(server, f"{SERVERS}?project_path={sandbox.project}")[1]["is_active"] is True


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"mcpServers": []}', '{"mcpServers": {"a": 7}}', "[" * 100_000]
)
def test_malformed_files_define_no_servers(tmp_path: Path, text: str) -> None:
    write(tmp_path / ".claude.json", text)
    write(tmp_path / "project" / ".mcp.json", text)
    assert mcp_config.servers(tmp_path / ".claude.json", tmp_path, tmp_path / "project") == []


def test_a_server_may_lack_everything(tmp_path: Path) -> None:
    servers = {"a": {}, "b": {"url": "http://x", "args": "no", "env": [], "headers": 1}}
    write(tmp_path / "state", json.dumps({"mcpServers": servers}))
    one, other = mcp_config.servers(tmp_path / "state", tmp_path, None)
    assert (one.transport, one.command, one.args, one.url) == ("stdio", None, (), None)
    assert (other.transport, other.url, other.env, other.headers) == ("http", "http://x", {}, {})


def test_a_server_can_be_switched_off_for_a_project(tmp_path: Path) -> None:
    here = {"mcpServers": {"b": {}}, "disabledMcpServers": ["a", "b"]}
    project = tmp_path / "project"
    state = {"mcpServers": {"a": {}, "c": {}}, "projects": {str(project): here}}
    write(tmp_path / "state", json.dumps(state))
    found = mcp_config.servers(tmp_path / "state", tmp_path, project)
    assert {each.name: each.is_active for each in found} == {"a": False, "b": False, "c": True}


def test_claudes_state_file_is_where_the_cli_keeps_it(tmp_path: Path) -> None:
    config, home = tmp_path / "config", tmp_path / "home"
    assert mcp_config.state_file(config, home, moved=False) == home / ".claude.json"
    assert mcp_config.state_file(config, home, moved=True) == config / ".claude.json"
    write(config / ".config.json", "{}")
    assert mcp_config.state_file(config, home, moved=True) == config / ".config.json"


# Both


def test_unknown_project_is_refused(server: Server) -> None:
    for path in (COMMANDS, SERVERS):
        error(server.get(f"{path}?project_id=none"), 404)
        error(server.get(f"{path}?project_id=..%2f.."), 404)
        assert "outside" in error(server.get(f"{path}?project_path=/etc"), 422)
        assert "not by both" in error(server.get(f"{path}?project_id=a&project_path=/etc"), 422)
        assert "not known here" in error(server.get(f"{path}?project=a"), 422)
