"""The pages of the permission rules: what is written there is what the CLI reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.features.claude_permissions.rules import USER, content, rules_of_cli
from tests.support.apps.local_server import Answer, LocalServer, files_alone
from tests.support.pages import dom
from tests.support.pages.claude_pages import form_of


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
    with files_alone():
        form = fields(server, folder=where, kind="allow")
        assert save(server, form, kind="allow", text=text, scope="local").status_code == 303
        assert content(project / ".claude/settings.local.json")["permissions"]["allow"] == [text]
        old = {"kind": "allow", "text": text, "scope": "local", "folder": where}
        form = fields(server, **old)
        moved = save(server, form, kind="deny", text="Bash(make all)", scope="project")
        assert moved.status_code == 303
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


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_rule_that_a_person_allows_here_does_not_ask_for_trust_again(
    server: LocalServer, user_file: Path, project: Path
) -> None:
    query = {"folder": str(project), "kind": "allow"}
    form = form_of(server.get("/claude/permissions/rule", params=query).text)
    assert form["scope"] == "local", "a rule that is added in a project is for that project"
    assert save(server, form, text="Bash(ls *)").status_code == 303
    assert "not trusted" not in page(server, folder=str(project)).text


@pytest.mark.usefixtures("no_word_of_the_cli")
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
    ("kind", "text"),
    [
        *(("ask", "bash(x)"), ("ask", "Bash(git push:*)"), ("ask", "Bash(")),
        ("additionalDirectories", "/srv"),
    ],
)
def test_rule_that_would_do_nothing_is_refused_with_the_words_kept(
    server: LocalServer, user_file: Path, kind: str, text: str
) -> None:
    before = user_file.read_text()
    answer = save(server, fields(server, kind="ask"), kind=kind, text=text, scope="user")
    assert answer.status_code == 422
    assert f'value="{text}"' in answer.text
    assert user_file.read_text() == before


def test_command_that_is_typed_as_a_rule_is_answered_with_its_rule(
    server: LocalServer, user_file: Path
) -> None:
    answer = save(server, fields(server), kind="allow", text="npm run lint", scope="user")
    assert answer.status_code == 422
    assert "type Bash(npm run lint)." in dom.parse(answer.text).text


@pytest.mark.usefixtures("no_word_of_the_cli")
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
    folder = server.sandbox.home / "elsewhere"
    (folder / ".claude").mkdir(parents=True)
    (folder / ".claude/settings.json").write_text('{"permissions": {"allow": ["Bash(evil)"]}}')
    query = {"tool": "Bash", "subject": "evil", "folder": str(folder)}
    text = " ".join(page(server, **query).text.split())
    assert "Bash(evil) · not in force" in text
    assert "You would be asked" in text
