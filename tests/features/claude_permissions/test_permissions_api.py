"""The permission rules at the API: what is written there is what the CLI reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.features.claude_permissions.rules import USER, content, rules_of_cli
from tests.support.apps.local_server import LocalServer, files_alone
from tests.support.pages.claude_pages import data_of

API = "/api/settings/permissions"


def test_api_lists_rules_in_words_and_shows_no_secret(
    server: LocalServer, user_file: Path, project: Path
) -> None:
    answer = server.request("GET", API, params={"project_path": str(project)})
    found = data_of(answer)
    rule = next(each for each in found["rules"] if each["text"] == "Bash(git push:*)")
    words = "Any Bash command starting with git push"
    assert (rule["kind"], rule["scope"], rule["words"]) == ("ask", "user", words)
    assert (rule["can_change"], rule["is_in_force"]) == (True, True)
    assert [each["text"] for each in found["folders"]] == ["~/notes"]
    assert found["folders"][0]["path"] == str(server.sandbox.home / "notes")
    assert (found["mode"], found["is_trusted"]) == ("default", True)
    assert set(found["revisions"]) == {"user", "project", "local"}
    assert "t0p-secret" not in answer.text


def test_api_adds_moves_and_removes_a_rule_as_the_cli_reads_it(
    server: LocalServer, user_file: Path, project: Path
) -> None:
    where = {"project_path": str(project)}
    with files_alone():
        rule = {"kind": "allow", "text": "Bash(make *)", "scope": "local"}
        added = data_of(server.request("POST", f"{API}/rules", json={**rule, **where}), 201)
        assert "Bash(make *)" in [each["text"] for each in added["rules"]]
        moved = {"kind": "deny", "text": "Bash(make all)", "scope": "project"}
        revisions = {scope: added["revisions"][scope] for scope in ("local", "project")}
        body = {"old": rule, "new": moved, "revisions": revisions, **where}
        data_of(server.request("PUT", f"{API}/rules", json=body))
        gone = {"kind": "allow", "text": "Bash(npm test)", "scope": "user", **where}
        data_of(server.request("DELETE", f"{API}/rules", params=gone))
    assert rules_of_cli(server) == {
        ("deny", "projectSettings", "Bash(make all)"),
        ("ask", "userSettings", "Bash(git push:*)"),
        ("allow", "userSettings", "mcp__github"),
    }
    kept = {**USER["permissions"], "allow": ["mcp__github"]}
    assert content(user_file) == {**USER, "permissions": kept}
    with files_alone():
        assert server.request("DELETE", f"{API}/rules", params=gone).status_code == 404
        missing = {"old": rule, "new": moved, **where}
        assert server.request("PUT", f"{API}/rules", json=missing).status_code == 404
    named = {key: value for key, value in gone.items() if key != "project_path"}
    assert server.request("GET", f"{API}/rules/matches", params=named).status_code == 404


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_api_removes_a_rule_that_is_too_long_for_an_address(
    server: LocalServer, user_file: Path, project: Path
) -> None:
    where = {"project_path": str(project)}
    long = {"kind": "ask", "text": f"Bash({'x' * 300})", "scope": "local"}
    data_of(server.request("POST", f"{API}/rules", json={**long, **where}), 201)
    data_of(server.request("PUT", f"{API}/rules", json={"old": long, "new": None, **where}))
    assert content(project / ".claude/settings.local.json").get("permissions") is None


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_api_does_not_overwrite_a_file_that_changed_meanwhile(
    server: LocalServer, user_file: Path
) -> None:
    revision = data_of(server.request("GET", API))["revisions"]["user"]
    user_file.write_text("{}")
    rule = {"kind": "ask", "text": "Bash(git push:*)", "scope": "user", "revision": revision}
    requests_of_one = [
        ("POST", "rules", rule),
        ("POST", "folders", {"text": "../x", "scope": "user", "revision": revision}),
        ("PUT", "mode", {"mode": "plan", "scope": "user", "revision": revision}),
    ]
    for method, path, body in requests_of_one:
        answer = server.request(method, f"{API}/{path}", json=body)
        assert answer.status_code == 409, path
        assert "has changed" in answer.json()["error"]
    assert user_file.read_text() == "{}"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"kind": "ask", "text": "bash(x)", "scope": "user"}, "is no tool"),
        ({"kind": "ask", "text": "Bash(git push:*)", "scope": "user"}, "stands there already"),
        ({"kind": "ask", "text": "Bash(x)", "scope": "local"}, "Choose where"),
        ({"kind": "maybe", "text": "Bash(x)", "scope": "user"}, "“kind”"),
    ],
)
def test_api_refuses_a_rule_that_would_do_nothing_with_a_sentence(
    server: LocalServer, user_file: Path, body: dict[str, str], reason: str
) -> None:
    before = user_file.read_text()
    answer = server.request("POST", f"{API}/rules", json=body)
    assert answer.status_code == 422
    assert reason in answer.json()["error"]
    assert user_file.read_text() == before


def test_api_sets_folders_and_the_mode(server: LocalServer, user_file: Path) -> None:
    mode = {"scope": "user", "mode": "acceptEdits"}
    assert data_of(server.request("PUT", f"{API}/mode", json=mode))["mode"] == "acceptEdits"
    assert content(user_file)["permissions"]["defaultMode"] == "acceptEdits"
    refused = server.request("PUT", f"{API}/mode", json={**mode, "mode": "anything"})
    assert refused.status_code == 422
    with files_alone():
        data_of(server.request("PUT", f"{API}/mode", json={**mode, "mode": None}))
        assert "defaultMode" not in content(user_file)["permissions"]
        folder = {"text": "../other", "scope": "user"}
        data_of(server.request("POST", f"{API}/folders", json=folder), 201)
        body = {"old": folder, "new": {**folder, "text": "../another"}}
        data_of(server.request("PUT", f"{API}/folders", json=body))
        params = {"text": "~/notes", "scope": "user"}
        data_of(server.request("DELETE", f"{API}/folders", params=params))
    assert content(user_file)["permissions"]["additionalDirectories"] == ["../another"]


def test_api_tells_what_would_become_of_a_call(
    server: LocalServer, user_file: Path, project: Path
) -> None:
    call = {"tool": "Bash", "subject": "npm test && git push", "project_path": str(project)}
    found = data_of(server.request("POST", f"{API}/test", json=call))
    assert found["outcome"] == "asked"
    assert found["rule"] == {"kind": "ask", "text": "Bash(git push:*)", "scope": "user"}
    call = {**call, "subject": "make", "mode": "dontAsk"}
    assert data_of(server.request("POST", f"{API}/test", json=call))["outcome"] == "denied"
    assert server.request("POST", f"{API}/test", json={**call, "mode": "x"}).status_code == 422
