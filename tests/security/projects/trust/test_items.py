"""The list of effects of a project's files: programs run, settings changed, permissions granted."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.engines.claude.trust.items import HARMLESS
from opcode_htmx.engines.trust import Kind
from tests.security.projects.hostile_project import HOOKS, make_hostile
from tests.security.projects.trust.listed import listed, write


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
