"""The pages of the permission rules: what is written there is what the CLI reads."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.protocol import argv
from tests.support.apps.local_server import Answer, LocalServer, local_server
from tests.support.environment import Sandbox, find_claude
from tests.support.pages import dom
from tests.support.pages.claude_pages import data_of, form_of

pytestmark = pytest.mark.timeout(120)

USER: dict[str, Any] = {
    "permissions": {
        "allow": ["Bash(npm test)", "mcp__github"],
        "ask": ["Bash(git push:*)"],
        "additionalDirectories": ["~/notes"],
        "unknownToAll": {"kept": 1},
    },
    "env": {"API_TOKEN": "t0p-secret"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, integration: None) -> Iterator[LocalServer]:
    """The app with the real CLI; its project is trusted by hand."""
    sandbox = Sandbox(tmp_path_factory.mktemp("permissions") / "home").make()
    claude = find_claude()
    assert claude is not None
    (sandbox.home / "notes").mkdir()
    with local_server(sandbox, claude) as server:
        yield server


@pytest.fixture
def user_file(server: LocalServer) -> Path:
    path = server.sandbox.config_dir / "settings.json"
    path.write_text(json.dumps(USER, indent=4) + "\n")
    return path


@pytest.fixture
def project(server: LocalServer) -> Path:
    folder = server.sandbox.project
    (folder / ".claude").mkdir(exist_ok=True)
    for each in (folder / ".claude").glob("settings*.json"):
        each.unlink()
    state = server.sandbox.config_dir / ".claude.json"
    found = json.loads(state.read_text()) if state.exists() else {}
    found.setdefault("projects", {})[str(folder)] = {"hasTrustDialogAccepted": True}
    state.write_text(json.dumps(found))
    return folder


def rules_of_cli(server: LocalServer) -> set[tuple[str, str, str]]:
    """What a Claude of its own in the project says: behavior, source and rule."""
    claude = find_claude()
    assert claude is not None
    command = [*argv.build(claude, str(uuid.uuid4()), resume=False), "--no-session-persistence"]
    request = {"subtype": "list_permission_rules"}
    line = {"type": "control_request", "request_id": "1", "request": request}
    answer = subprocess.run(
        command,
        input=json.dumps(line).encode() + b"\n",
        cwd=server.sandbox.project,
        env=server.sandbox.environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    for each in answer.stdout.splitlines():
        found = json.loads(each)
        if found.get("type") == "control_response":
            rules = found["response"]["response"]["state"]["rules"]
            return {(rule["behavior"], rule["source"], rule["rule"]) for rule in rules}
    raise AssertionError(answer.stdout)


def page(server: LocalServer, path: str = "", **query: str) -> dom.Node:
    answer = server.get(f"/claude/permissions{path}", params=query)
    assert answer.status_code == 200, answer.text
    return dom.parse(answer.text)


def fields(server: LocalServer, path: str = "/rule", **query: str) -> dict[str, str]:
    """The hidden fields of a form."""
    hidden = [
        each
        for each in page(server, path, **query).walk()
        if each.tag == "input" and each.attributes.get("type") == "hidden"
    ]
    found = {str(e.attributes["name"]): e.attributes.get("value") or "" for e in hidden}
    found.pop("csrf_token", None)
    return found


def save(server: LocalServer, form: dict[str, str], path: str = "/rule", **more: str) -> Any:
    return server.post(f"/claude/permissions{path}", {**form, **more})


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def test_rules_are_listed_in_words_with_their_scope(
    server: LocalServer, user_file: Path, project: Path
) -> None:
    (project / ".claude/settings.local.json").write_text(
        '{"permissions": {"deny": ["Read(.env)"]}}'
    )
    text = " ".join(page(server, folder=str(project)).text.split())
    assert "Any Bash command starting with git push userBash(git push:*)" in text
    assert "Reading .env localRead(.env)" in text
    assert "Every tool of the MCP server github usermcp__github" in text
    assert "~/notes user" in text
    assert "Not in force" not in text


def test_added_moved_and_removed_rule_is_what_the_cli_reads(
    server: LocalServer, user_file: Path, project: Path
) -> None:
    where, text = str(project), "Bash(make *)"
    form = fields(server, folder=where, kind="allow")
    assert save(server, form, kind="allow", text=text, scope="local").status_code == 303
    assert ("allow", "localSettings", text) in rules_of_cli(server)

    old = {"kind": "allow", "text": text, "scope": "local", "folder": where}
    form = fields(server, **old)
    moved = save(server, form, kind="deny", text="Bash(make all)", scope="project")
    assert moved.status_code == 303
    found = rules_of_cli(server)
    assert ("deny", "projectSettings", "Bash(make all)") in found
    assert ("allow", "localSettings", text) not in found

    old = {"kind": "allow", "text": "Bash(npm test)", "scope": "user", "folder": where}
    form = fields(server, **old)
    assert save(server, form, act="remove").status_code == 303
    assert rules_of_cli(server) == {
        ("deny", "projectSettings", "Bash(make all)"),
        ("ask", "userSettings", "Bash(git push:*)"),
        ("allow", "userSettings", "mcp__github"),
    }
    kept = {**USER["permissions"], "allow": ["mcp__github"]}
    assert content(user_file) == {**USER, "permissions": kept}


def test_rule_that_a_person_allows_here_does_not_ask_for_trust_again(
    server: LocalServer, user_file: Path, project: Path
) -> None:
    query = {"folder": str(project), "kind": "allow"}
    form = form_of(server.get("/claude/permissions/rule", params=query).text)
    assert form["scope"] == "local", "a rule that is added in a project is for that project"
    assert save(server, form, text="Bash(ls *)").status_code == 303
    assert "not trusted" not in page(server, folder=str(project)).text


def test_file_that_changed_meanwhile_is_not_overwritten_and_the_words_are_kept(
    server: LocalServer, user_file: Path
) -> None:
    form = fields(server, kind="ask")
    user_file.write_text('{"permissions": {"deny": ["Bash(dd:*)"]}}')
    answer: Answer = save(server, form, kind="ask", text="Bash(mine)", scope="user")
    assert answer.status_code == 409
    shown = dom.parse(answer.text)
    assert "has changed since you opened it" in shown.text
    assert "Bash(dd:*)" in shown.text
    typed = next(e for e in shown.walk() if e.attributes.get("id") == "rule-text")
    assert typed.attributes["value"] == "Bash(mine)"
    assert content(user_file) == {"permissions": {"deny": ["Bash(dd:*)"]}}


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_rule_that_moves_is_not_written_where_the_old_file_has_changed(
    server: LocalServer, user_file: Path, project: Path
) -> None:
    old = {"kind": "ask", "text": "Bash(git push:*)", "scope": "user", "folder": str(project)}
    form = fields(server, **old)
    user_file.write_text("{}")
    moved = save(server, form, kind="ask", text=old["text"], scope="local")
    assert moved.status_code == 409
    assert not (project / ".claude/settings.local.json").exists()


@pytest.mark.parametrize(
    ("text", "status"), [("bash(x)", 422), ("Bash(git push:*)", 422), ("Bash(", 422)]
)
def test_rule_that_would_do_nothing_is_refused_with_the_words_kept(
    server: LocalServer, user_file: Path, text: str, status: int
) -> None:
    before = user_file.read_text()
    answer = save(server, fields(server, kind="ask"), kind="ask", text=text, scope="user")
    assert answer.status_code == status
    assert f'value="{text}"' in answer.text
    assert user_file.read_text() == before


def test_command_that_is_typed_as_a_rule_is_answered_with_its_rule(
    server: LocalServer, user_file: Path
) -> None:
    answer = save(server, fields(server), kind="allow", text="npm run lint", scope="user")
    assert answer.status_code == 422
    assert "type Bash(npm run lint)." in dom.parse(answer.text).text


def test_folder_is_added_and_removed(server: LocalServer, user_file: Path) -> None:
    form = fields(server, "/folder")
    assert save(server, form, "/folder", text="../other", scope="user").status_code == 303
    assert content(user_file)["permissions"]["additionalDirectories"] == ["~/notes", "../other"]
    old = {"kind": "additionalDirectories", "text": "~/notes", "scope": "user"}
    assert (
        save(server, fields(server, "/folder", **old), "/folder", act="remove").status_code == 303
    )
    assert content(user_file)["permissions"]["additionalDirectories"] == ["../other"]


@pytest.mark.parametrize(
    ("tool", "subject", "mode", "words"),
    [
        ("Bash", "npm test && git push", "default", "You would be asked"),
        ("Bash", "npm test", "default", "Allowed without asking"),
        ("Bash", "make", "dontAsk", "Denied without asking"),
        ("mcp", "mcp__github__create", "default", "Allowed without asking"),
        ("Read", "~/notes/a", "default", "Allowed without asking"),
        ("WebFetch", "https://example.com", "auto", "A model would decide"),
    ],
)
def test_tester_says_what_would_become_of_a_call(
    server: LocalServer,
    user_file: Path,
    project: Path,
    tool: str,
    subject: str,
    mode: str,
    words: str,
) -> None:
    query = {"tool": tool, "subject": subject, "mode": mode, "folder": str(project)}
    assert words in page(server, **query).text


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_rules_of_an_untrusted_project_are_not_in_force(
    server: LocalServer, user_file: Path
) -> None:
    folder = server.sandbox.project.parent / f"stranger-{os.getpid()}"
    (folder / ".claude").mkdir(parents=True)
    (folder / ".claude/settings.json").write_text('{"permissions": {"allow": ["Bash(evil)"]}}')
    query = {"tool": "Bash", "subject": "evil", "folder": str(folder)}
    text = " ".join(page(server, **query).text.split())
    assert "Bash(evil) · not in force" in text
    assert "You would be asked" in text


# --- the API --------------------------------------------------------------------------------

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
    assert server.request("DELETE", f"{API}/rules", params=gone).status_code == 404
    long = {"kind": "ask", "text": f"Bash({'x' * 300})", "scope": "local"}
    data_of(server.request("POST", f"{API}/rules", json={**long, **where}), 201)
    data_of(server.request("PUT", f"{API}/rules", json={"old": long, "new": None, **where}))
    assert content(project / ".claude/settings.local.json").get("permissions") is None
    missing = {"old": rule, "new": moved, **where}
    assert server.request("PUT", f"{API}/rules", json=missing).status_code == 404
    named = {key: value for key, value in gone.items() if key != "project_path"}
    assert server.request("GET", f"{API}/rules/matches", params=named).status_code == 404


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
    folder = {"text": "../other", "scope": "user"}
    data_of(server.request("POST", f"{API}/folders", json=folder), 201)
    body = {"old": folder, "new": {**folder, "text": "../another"}}
    data_of(server.request("PUT", f"{API}/folders", json=body))
    params = {"text": "~/notes", "scope": "user"}
    data_of(server.request("DELETE", f"{API}/folders", params=params))
    assert content(user_file)["permissions"]["additionalDirectories"] == ["../another"]
    mode = {"scope": "user", "mode": "acceptEdits"}
    assert data_of(server.request("PUT", f"{API}/mode", json=mode))["mode"] == "acceptEdits"
    assert content(user_file)["permissions"]["defaultMode"] == "acceptEdits"
    refused = server.request("PUT", f"{API}/mode", json={**mode, "mode": "anything"})
    assert refused.status_code == 422
    unset = data_of(server.request("PUT", f"{API}/mode", json={**mode, "mode": None}))
    assert unset["mode"] == "default"
    assert "defaultMode" not in content(user_file)["permissions"]


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
