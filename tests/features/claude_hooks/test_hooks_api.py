"""The hooks at the API: as Claude reads them, checked, tried, and without their secrets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.features.claude_hooks.hooks import HOOKS, USER, content, listed_by_the_cli
from tests.support.apps.local_server import LocalServer, files_alone
from tests.support.pages.claude_pages import data_of

CONFIG = "/api/hooks/config"


def test_api_gives_the_hooks_in_the_shape_that_claude_reads_without_their_secrets(
    server: LocalServer, user_file: Path
) -> None:
    answer = server.request("GET", CONFIG)
    assert "s3cret" not in answer.text
    assert "k3y" not in answer.text
    expected = json.loads(json.dumps(HOOKS))
    http = expected["PreToolUse"][0]["hooks"][1]
    http |= {"url": "https://a.example/in?key=********", "headers": {"X-Key": "********"}}
    assert data_of(answer)["hooks"] == expected
    listed = server.request("GET", "/api/hooks")
    assert "s3cret" not in listed.text
    assert "k3y" not in listed.text
    found = data_of(listed)
    assert [(each["event"], each["matcher"], each["source"]) for each in found["hooks"]] == [
        ("PreToolUse", "Bash", "user"),
        ("PreToolUse", "Bash", "user"),
    ]
    assert "WorktreeCreate" in [each["name"] for each in found["events"]]


def test_api_writes_hooks_that_the_cli_lists_and_keeps_all_else(
    server: LocalServer, user_file: Path
) -> None:
    called = {"type": "mcp_tool", "server": "s", "tool": "t", "input": {"headers": {"X": "y"}}}
    user: dict[str, Any] = {**USER, "hooks": {**HOOKS, "SessionEnd": [{"hooks": [called]}]}}
    user_file.write_text(json.dumps(user))
    with files_alone():
        found = data_of(server.request("GET", CONFIG))
    hooks = found["hooks"]
    assert hooks["SessionEnd"][0]["hooks"][0]["input"]["headers"] == {"X": "********"}
    hooks["Stop"] = [{"hooks": [{"type": "command", "command": "at the end"}]}]
    hooks["PreToolUse"][0]["hooks"].reverse()  # secrets are known again by their hook
    body = {"hooks": hooks, "revision": found["revision"]}
    with files_alone():
        saved = data_of(server.request("PUT", CONFIG, json=body))
    assert "********" in json.dumps(saved["hooks"])
    expected = json.loads(json.dumps(user))
    expected["hooks"]["PreToolUse"][0]["hooks"].reverse()
    expected["hooks"]["Stop"] = hooks["Stop"]
    assert content(user_file) == expected
    of_cli = listed_by_the_cli(server)
    assert "at the end" in [each["commandText"] for each in of_cli]
    assert server.request("PUT", CONFIG, json=body).status_code == 409
    with files_alone():
        data_of(server.request("PUT", CONFIG, json={"hooks": {}}))
    assert content(user_file) == {"model": "sonnet", "unknownToAll": [1]}


def test_api_lets_no_secret_out_to_another_address(server: LocalServer, user_file: Path) -> None:
    hooks = data_of(server.request("GET", CONFIG))["hooks"]
    before = user_file.read_text()
    http = hooks["PreToolUse"][0]["hooks"][1]
    for url in ("https://evil.example/in", "https://a.example.evil.example/in?key=********"):
        http["url"] = url
        answer = server.request("PUT", CONFIG, json={"hooks": hooks, "anyway": True})
        assert answer.status_code == 422
        assert "not in the file" in answer.json()["error"]
    assert user_file.read_text() == before


@pytest.mark.usefixtures("no_word_of_the_cli")
@pytest.mark.parametrize(
    ("hooks", "reason"),
    [
        ({"Stop": [{"type": "command", "command": "x"}]}, "Claude reads hooks only as"),
        ({"Stop": [{"hooks": [{"type": "unheard"}]}]}, "no such kind of hook"),
        ({"Stop": [{"hooks": [{"type": "command", "command": ""}]}]}, "must not be empty"),
        ({"Stop": [{"hooks": [{"type": "command", "command": "sudo true"}]}]}, "administrator"),
        ({"Stop": [{"hooks": [{"type": "command", "command": "if then"}]}]}, "bash cannot"),
    ],
)
def test_api_refuses_hooks_that_claude_does_not_read_and_those_that_are_dangerous(
    server: LocalServer, user_file: Path, hooks: dict[str, Any], reason: str
) -> None:
    before = user_file.read_text()
    answer = server.request("PUT", CONFIG, json={"hooks": hooks})
    assert answer.status_code == 422
    assert reason in answer.json()["error"]
    assert user_file.read_text() == before
    again = server.request("PUT", CONFIG, json={"hooks": hooks, "anyway": True})
    assert again.status_code == (200 if "concerns" in answer.json() else 422)


def test_api_checks_a_command_without_running_it(
    server: LocalServer, user_file: Path, tmp_path: Path
) -> None:
    def checked(**body: object) -> Any:
        return data_of(server.request("POST", "/api/hooks/validate", json=body))

    trace = tmp_path / "trace"
    assert checked(command=f"touch {trace}") == {
        "valid": True,
        "message": "It can be read.",
        "concerns": [],
    }
    assert not trace.exists()
    broken = checked(command="if true; then")
    assert broken["valid"] is False
    assert "syntax error" in broken["message"]
    dangerous = checked(config={"type": "command", "command": "sudo rm -rf /"}, event="Stop")
    assert dangerous["valid"] is True
    assert any("deletes a whole folder" in each for each in dangerous["concerns"])
    assert checked(config={"type": "http"})["message"] == "“Address” must not be empty."
    assert server.request("POST", "/api/hooks/validate", json={}).status_code == 422


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_api_tries_a_hook_and_switches_all_of_them(
    server: LocalServer, user_file: Path, project: str
) -> None:
    where = {"project_path": project, "scope": "local"}
    hook = {"type": "command", "command": "cat; exit 2"}
    hooks = {"PreToolUse": [{"matcher": "Edit|Write", "hooks": [hook]}]}
    data_of(server.request("PUT", CONFIG, json={"hooks": hooks, **where}))
    listed = data_of(server.request("GET", "/api/hooks", params={"project_path": project}))
    (row,) = [each for each in listed["hooks"] if each["scope"] == "local"]
    named = {**where, "event": row["event"], "id": row["id"]}
    tried = data_of(server.request("POST", "/api/hooks/try", json=named))
    assert tried["status"] == 2
    assert json.loads(tried["stdout"]) == tried["sample"]
    assert tried["sample"]["tool_name"] == "Edit"
    assert tried["sentences"] == ["The tool call is blocked, and Claude reads the error."]
    own = data_of(server.request("POST", "/api/hooks/try", json={**named, "sample": {"a": 1}}))
    assert json.loads(own["stdout"]) == {"a": 1}
    gone = server.request("POST", "/api/hooks/try", json={**named, "id": "0" * 16})
    assert gone.status_code == 404
    switched = {"enabled": False, **where}
    assert data_of(server.request("PUT", "/api/hooks/enabled", json=switched))["off_in"] == "local"
    switched = {"enabled": True, **where}
    assert data_of(server.request("PUT", "/api/hooks/enabled", json=switched))["off_in"] is None
    stale = {"enabled": False, "revision": "0" * 16}
    assert server.request("PUT", "/api/hooks/enabled", json=stale).status_code == 409
    templates = data_of(server.request("GET", "/api/hooks/templates"))
    assert "tests" in [each["name"] for each in templates]


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_api_runs_nothing_of_a_project_that_is_not_trusted(
    server: LocalServer, user_file: Path, tmp_path: Path
) -> None:
    folder = server.sandbox.project / "stranger"
    (folder / ".claude").mkdir(parents=True)
    trace = tmp_path / "trace"
    hook = {"type": "command", "command": f"touch {trace}"}
    settings = folder / ".claude" / "settings.json"
    settings.write_text(json.dumps({"hooks": {"Stop": [{"hooks": [hook]}]}}))
    where = {"project_path": str(folder)}
    try:
        listed = data_of(server.request("GET", "/api/hooks", params=where))
        assert listed["is_trusted"] is False
        (row,) = [each for each in listed["hooks"] if each["scope"] == "project"]
        named = {**where, "scope": "project", "event": "Stop", "id": row["id"]}
        answer = server.request("POST", "/api/hooks/try", json=named)
        assert answer.status_code == 422
        assert "not trusted" in answer.json()["error"]
        assert not trace.exists()
    finally:
        shutil.rmtree(folder)
