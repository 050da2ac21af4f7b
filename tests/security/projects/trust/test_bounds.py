"""The list of effects of a project is bounded, and whose files are on it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.trust import files
from opcode_htmx.engines.claude.trust.files import MOST_BYTES
from opcode_htmx.engines.claude.trust.repository import main_checkout, repository_root
from opcode_htmx.engines.trust import Kind
from tests.security.projects.trust.listed import listed, write


def git(*arguments: str, cwd: Path) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["/usr/bin/git", *name, *arguments], cwd=cwd, check=True, capture_output=True)


def test_item_too_large_to_list_changes_with_its_content(project: Path, home: Path) -> None:
    commands = project / ".claude" / "commands"
    commands.mkdir(parents=True)
    for number in range(510):
        (commands / f"{number:03}.md").write_text("!`x`")
    before = listed(project, home)[-1]
    (commands / "999.md").write_text("!`evil`")
    after = listed(project, home)[-1]
    assert before.kind is after.kind is Kind.UNREADABLE
    assert before.digest != after.digest
    rules = {"permissions": {"allow": [f"Bash(echo {number})" for number in range(1200)]}}
    settings = write(project / ".claude" / "settings.json", rules)
    before = listed(project, home)[-1]
    settings.write_text(settings.read_text().replace("echo 1150", "evil"))
    after = listed(project, home)[-1]
    assert "more than 1,000 items" in after.text
    assert before.digest != after.digest


def test_total_bytes_read_are_bounded(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES_IN_ALL", 1000)
    for number in range(20):
        write(project / ".claude" / "commands" / f"{number:02}.md", "!`x` " + "x" * 95)
    kinds = [item.kind for item in listed(project, home)]
    assert kinds.count(Kind.COMMAND) == 10
    assert kinds.count(Kind.UNREADABLE) == 10


def test_local_settings_of_the_repository_root_and_above_are_listed(
    project: Path, home: Path
) -> None:
    git("init", "-q", cwd=project)
    write(project / ".claude" / "settings.json", {"apiKeyHelper": "not-read-from-below"})
    write(project / ".claude" / "settings.local.json", {"apiKeyHelper": "local"})
    write(project.parent / ".mcp.json", {"mcpServers": {"above": {"command": "x"}}})
    write(project / ".claude" / "agents" / "one.md", "---\nhooks: {}\n---\n")
    below = project / "a" / "b"
    below.mkdir(parents=True)
    found = {item.text for item in listed(below, home)}
    assert found == {"local", "x", "---\nhooks: {}\n---\n"}


def test_the_persons_own_settings_are_not_the_projects(project: Path, home: Path) -> None:
    write(home / ".claude" / "settings.json", {"apiKeyHelper": "mine"})
    write(home / ".claude" / "commands" / "mine.md", "!`date`")
    assert listed(project, home) == ()
    assert listed(home, home) == ()


def test_shared_settings_of_a_worktree_are_listed(project: Path, home: Path) -> None:
    git("init", "-q", cwd=project)
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=project)
    tree = home / "tree"
    git("worktree", "add", "-q", str(tree), cwd=project)
    write(project / ".claude" / "settings.local.json", {"apiKeyHelper": "shared"})
    assert main_checkout(tree) == project
    assert [item.text for item in listed(tree, home)] == ["shared"]


def test_git_file_is_a_worktree_only_if_its_repository_names_it(project: Path, home: Path) -> None:
    git("init", "-q", cwd=project)
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=project)
    git("worktree", "add", "-q", str(home / "tree"), cwd=project)
    liar = home / "liar"
    write(liar / ".git", (home / "tree" / ".git").read_text())
    assert repository_root(liar) == liar
    assert main_checkout(liar) is None


def test_unreadable_file_is_listed_and_changed_content_is_a_new_item(
    project: Path, home: Path
) -> None:
    claude = project / ".claude"
    write(claude / "settings.json", "{")
    write(project / ".mcp.json", " " * (MOST_BYTES + 1))
    (claude / "settings.local.json").mkdir()
    os.mkfifo(claude / "scheduled_tasks.json")
    first = listed(project, home)
    assert [item.kind for item in first] == [Kind.UNREADABLE] * 4
    write(claude / "settings.json", "{ ")
    write(project / ".mcp.json", " " * (MOST_BYTES + 2))
    changed = {item.digest for item in listed(project, home)} - {item.digest for item in first}
    assert len(changed) == 2


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, "null", "7"])
def test_a_file_of_an_odd_shape_is_listed(project: Path, home: Path, content: str) -> None:
    write(project / ".claude" / "settings.json", content)
    assert [item.kind for item in listed(project, home)] == [Kind.UNREADABLE]


def test_a_loop_of_links_and_a_great_many_files_end(project: Path, home: Path) -> None:
    commands = project / ".claude" / "commands"
    commands.mkdir(parents=True)
    (commands / "loop").symlink_to(commands)
    for number in range(600):
        (commands / f"{number:03}.md").write_text("!`x`")
    found = listed(project, home)
    assert sum(item.kind is Kind.COMMAND for item in found) == 500
    assert found[-1].kind is Kind.UNREADABLE
    assert found[-1].text == "There is more here than is looked through; the rest is not listed."


def test_omission_beyond_the_folder_limit_is_reported(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_ENTRIES", 20)
    skills = project / ".claude" / "skills"
    for number in range(30):
        (skills / f"a{number:02}").mkdir(parents=True)
    write(skills / "z" / "SKILL.md", "!`evil`")
    assert [item.kind for item in listed(project, home)] == [Kind.UNREADABLE]


def test_prompts_with_a_time_and_plugins_are_listed(project: Path, home: Path) -> None:
    task = {"cron": "* * * * *", "prompt": "Prune."}
    write(project / ".claude" / "scheduled_tasks.json", {"tasks": [task]})
    settings = {"enabledPlugins": {"trees@shop": True}, "extraKnownMarketplaces": {"shop": {}}}
    write(project / ".claude" / "settings.json", settings)
    assert [(item.kind, item.name, item.text) for item in listed(project, home)] == [
        (Kind.PLUGIN, "trees@shop", "true"),
        (Kind.PLUGIN, "shop", "{}"),
        (Kind.SCHEDULE, "* * * * *", "Prune."),
    ]
