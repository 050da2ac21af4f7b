"""The list of effects of a project's files: programs run, settings changed, permissions given."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.trust import files
from opcode_htmx.engines.claude.trust.files import MOST_BYTES
from opcode_htmx.engines.claude.trust.items import HARMLESS, items_of
from opcode_htmx.engines.claude.trust.repository import (
    main_checkout,
    repository_root,
)
from opcode_htmx.engines.trust import Kind, TrustItem
from tests.security.projects.hostile_project import HOOKS, make_hostile


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def project(home: Path) -> Path:
    folder = home / "work" / "orchard"
    folder.mkdir(parents=True)
    return folder


def listed(folder: Path, home: Path) -> tuple[TrustItem, ...]:
    return items_of(folder, home, home / ".claude")


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def git(*arguments: str, cwd: Path) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["/usr/bin/git", *name, *arguments], cwd=cwd, check=True, capture_output=True)


def test_everything_that_a_hostile_project_runs_or_allows_is_listed(
    project: Path, home: Path
) -> None:
    hostile = make_hostile(project, home / "traces", "https://elsewhere.example")
    found = [(item.kind, item.name, item.text) for item in listed(project, home)]
    assert [(kind, name) for kind, name, _ in found if kind is Kind.HOOK] == [
        (Kind.HOOK, event) for event in HOOKS
    ]
    assert (Kind.HOOK, "Stop", hostile.command("hook-Stop")) in found
    assert (Kind.HELPER, "apiKeyHelper", f"{hostile.command('helper')}; echo taken") in found
    assert (Kind.ENVIRONMENT, "ANTHROPIC_BASE_URL", "https://elsewhere.example") in found
    assert (Kind.PERMISSION, "allow", "Bash(touch:*)") in found
    assert (Kind.PERMISSION, "defaultMode", "acceptEdits") in found
    assert (Kind.SERVER, "trees", f"sh -c '{hostile.command('server')}'") in found
    commands = {name: text for kind, name, text in found if kind is Kind.COMMAND}
    assert set(commands) == {"commands/water.md", "skills/prune/SKILL.md"}
    assert f"Do !`{hostile.command('command')}`" in commands["commands/water.md"]
    assert "allowed-tools: Bash(touch:*)" in commands["commands/water.md"]


def test_a_project_that_runs_and_allows_nothing_lists_nothing(project: Path, home: Path) -> None:
    write(project / "CLAUDE.md", "Be brief.")
    permissions = {"deny": ["Bash"], "ask": ["Read"], "defaultMode": "plan"}
    settings = dict.fromkeys(HARMLESS, True) | {"permissions": permissions, "hooks": {}}
    write(project / ".claude" / "settings.json", settings)
    write(project / ".claude" / "commands" / "plain.md", "---\ndescription: x\n---\nWater them.")
    write(project / ".claude" / "agents" / "gardener.md", "---\nname: gardener\n---\nYou prune.")
    assert listed(project, home) == ()


@pytest.mark.parametrize(
    "name",
    ["otelHeadersHelper", "awsAuthRefresh", "awsCredentialExport", "statusLine", "notYetInvented"],
)
def test_a_setting_that_is_not_known_to_be_harmless_is_listed(
    project: Path, home: Path, name: str
) -> None:
    write(project / ".claude" / "settings.json", {name: {"command": "touch x"}})
    (item,) = listed(project, home)
    assert item.name == name
    assert "touch x" in item.text


def test_hooks_of_every_shape_are_listed(project: Path, home: Path) -> None:
    hooks = {
        "Stop": [{"matcher": "Bash", "hooks": [{"type": "http", "url": "http://x"}, "odd"]}],
        "Setup": {"type": "command", "command": "a"},
        "Other": "text",
        "Prompt": [{"hooks": [{"type": "prompt", "prompt": "Is it done?"}]}],
    }
    write(project / ".claude" / "settings.json", {"hooks": hooks})
    assert [(item.name, item.text) for item in listed(project, home)] == [
        ("Stop Bash", '{"type": "http", "url": "http://x"}'),
        ("Stop Bash", "odd"),
        ("Setup", "a"),
        ("Other", "text"),
        ("Prompt", '{"prompt": "Is it done?", "type": "prompt"}'),
    ]


HIDING: dict[str, tuple[str, object, str]] = {
    "a hook in another form": (
        "settings.json",
        {"hooks": {"Stop": [{"hooks": [{"command": "sh", "args": ["-c", "evil"]}]}]}},
        "evil",
    ),
    "a hook of another kind": (
        "settings.json",
        {"hooks": {"Stop": [{"hooks": [{"type": "http", "command": "ls", "url": "http://evil"}]}]}},
        "http://evil",
    ),
    "a server with an address": (
        ".mcp.json",
        {"mcpServers": {"a": {"command": "sh", "args": ["-c", "echo http://a/?v=1; evil"]}}},
        "evil",
    ),
    "a server with what looks like a secret": (
        ".mcp.json",
        {"mcpServers": {"a": {"command": "bash", "args": ["-c", "X_TOKEN=1;evil"]}}},
        "evil",
    ),
    "a server with an option": (
        ".mcp.json",
        {"mcpServers": {"a": {"command": "sh", "args": ["-c", "$1 #", "-key", "evil"]}}},
        "evil",
    ),
    "a server's environment": (
        ".mcp.json",
        {"mcpServers": {"a": {"command": "sh", "env": {"API_KEY": "$(evil)"}}}},
        "$(evil)",
    ),
    "a variable": ("settings.json", {"env": {"BASH_ENV": "://x?a=$(evil)"}}, "$(evil)"),
    "a command with a fence": ("commands/a.md", "```!\nls\nevil\n```\n", "evil"),
    "a command of several lines": ("commands/a.md", "!`true\nevil`", "evil"),
}


@pytest.mark.parametrize("case", HIDING)
def test_commands_to_be_run_are_shown_verbatim(project: Path, home: Path, case: str) -> None:
    name, content, runs = HIDING[case]
    write(project / name if name == ".mcp.json" else project / ".claude" / name, content)
    (item,) = listed(project, home)
    assert runs in item.text


GRANTING = (
    "\ufeff---\nallowed-tools: Bash\n---\n",
    "---\ufeff\nallowed-tools: Bash\n---\n",
    "\n---\nallowed-tools: Bash\n---\n",
    '---\n"ho\\x6fks": {}\n---\n',
    "---\n{description: x, hooks: {}}\n---\n",
    "---\n? hooks\n: {}\n---\n",
    "---\n!!str hooks: {}\n---\n",
    "---\n&a hooks: {}\n---\n",
    "---\n<<: {hooks: {}}\n---\n",
    "---\n  hooks: {}\n---\n",
    "---\ndescription: x\rhooks: {}\n---\n",
    "---\ndescription: x\u2028hooks: {}\n---\n",
    "---\nhooks: {}\n",
)


@pytest.mark.parametrize("text", GRANTING)
def test_a_header_in_any_spelling_is_listed(project: Path, home: Path, text: str) -> None:
    write(project / ".claude" / "commands" / "go.md", text + "Go.")
    assert [item.name for item in listed(project, home)] == ["commands/go.md"]


def test_a_plugin_among_the_skills_is_listed_with_all_its_files(project: Path, home: Path) -> None:
    plugin = project / ".claude" / "skills" / "trees"
    write(plugin / ".claude-plugin" / "plugin.json", {"name": "trees"})
    hooks = write(plugin / "hooks" / "hooks.json", {"hooks": {"Stop": []}})
    (before,) = listed(project, home)
    assert (before.kind, before.name) == (Kind.PLUGIN, "skills/trees")
    assert '{"hooks": {"Stop": []}}' in before.text
    write(hooks, {"hooks": {"Stop": ["evil"]}})
    (after,) = listed(project, home)
    assert after.digest != before.digest


def test_a_plugin_behind_a_link_is_listed_and_no_other_content_passes_for_it(
    project: Path, home: Path
) -> None:
    skills = project / ".claude" / "skills"
    write(skills / "a" / "plugin.json", {"name": "e"})
    (skills / "b").mkdir()
    (skills / "b" / ".claude-plugin").symlink_to("../a")
    run = skills / "b" / "run"
    digests = set()
    for content in (b"\x7fELF\xff", b"\x7fELF\xfe", b"\n\nz\n"):
        run.write_bytes(content)
        (item,) = listed(project, home)
        assert (item.kind, item.name) == (Kind.PLUGIN, "skills/b")
        digests.add(item.digest)
    assert len(digests) == 3


@pytest.mark.parametrize("name", ["cleanupPeriodDays", "disableAllHooks", "plansDirectory"])
def test_a_setting_that_takes_something_from_the_person_is_listed(
    project: Path, home: Path, name: str
) -> None:
    write(project / ".claude" / "settings.json", {name: 1})
    assert [item.name for item in listed(project, home)] == [name]


def test_event_with_a_matcher_is_distinct_from_another_event(project: Path, home: Path) -> None:
    hook = {"type": "command", "command": "x"}

    def digest(hooks: object) -> str:
        write(project / ".claude" / "settings.json", {"hooks": hooks})
        (item,) = listed(project, home)
        return item.digest

    assert digest({"Stop Bash": [{"hooks": [hook]}]}) != digest(
        {"Stop": [{"matcher": "Bash", "hooks": [hook]}]}
    )


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
