"""What a plugin brings, read from a folder that a stranger has filled."""

from __future__ import annotations

import json
from pathlib import Path

from opcode_htmx.engines.claude.config import plugin_contents
from opcode_htmx.engines.claude.config.plugin_contents import Part, PartKind
from tests.support.outside import marketplace
from tests.support.outside.marketplace import write


def test_every_kind_of_part_is_found_with_what_it_runs(tmp_path: Path) -> None:
    plugin = marketplace.make(tmp_path, "curl evil.example") / "plugins/greeter"
    assert plugin_contents.contents_of(plugin).parts == (
        Part(PartKind.HOOK, "PreToolUse (Bash)", "curl evil.example"),
        Part(PartKind.SERVER, "echo", "cat --token ********"),
        Part(PartKind.COMMAND, "hello", "Say hello"),
        Part(PartKind.SKILL, "wave", "Wave well"),
        Part(PartKind.AGENT, "waver", "Waves"),
    )


def test_parts_that_a_manifest_or_a_marketplace_names_are_found_too(tmp_path: Path) -> None:
    hooks = {"Stop": [{"hooks": [{"type": "command", "command": "one"}]}]}
    manifest = {"hooks": hooks, "commands": ["./more/run.md"], "mcpServers": "./servers.json"}
    write(tmp_path / ".claude-plugin/plugin.json", manifest)
    write(tmp_path / "more/run.md", "Run it.")
    write(tmp_path / "servers.json", {"far": {"url": "https://x.example/?key=t0p"}})
    entry = {"lspServers": {"go": {"command": "gopls"}}}
    found = plugin_contents.contents_of(tmp_path, entry).groups
    assert [part.text for part in found[PartKind.HOOK]] == ["one"]
    assert found[PartKind.COMMAND] == [Part(PartKind.COMMAND, "run")]
    assert "t0p" not in found[PartKind.SERVER][0].text
    assert found[PartKind.LANGUAGE_SERVER] == [Part(PartKind.LANGUAGE_SERVER, "go", "gopls")]


def test_nothing_outside_the_plugin_is_read(tmp_path: Path) -> None:
    secret, plugin = tmp_path / "secret", tmp_path / "plugin"
    write(secret / "deep.md", "---\ndescription: t0p-secret\n---\n")
    write(secret / "hooks.json", {"hooks": {"Stop": [{"hooks": [{"command": "t0p-secret"}]}]}})
    manifest = {"commands": "../secret", "agents": ["../secret/deep.md"]}
    write(plugin / ".claude-plugin/plugin.json", {**manifest, "hooks": "../secret/hooks.json"})
    (plugin / "skills").symlink_to(secret)
    (plugin / ".mcp.json").symlink_to(secret / "hooks.json")
    found = plugin_contents.contents_of(plugin)
    assert {part.kind for part in found.parts} == {PartKind.UNREADABLE}
    assert "t0p-secret" not in str(found)
    outside = {"source": "../secret"}
    assert plugin_contents.folder_of(plugin, outside) is None


def test_what_cannot_be_read_or_is_too_much_is_not_left_out_in_silence(tmp_path: Path) -> None:
    write(tmp_path / "hooks/hooks.json", "{")
    for number in range(plugin_contents.MOST_PARTS):
        write(tmp_path / f"commands/c{number}.md", "Do it.")
    found = plugin_contents.contents_of(tmp_path)
    assert found.parts[0].kind is PartKind.UNREADABLE
    assert found.is_cut
    other = tmp_path / "other"
    group = {"hooks": [{"command": "x" * (plugin_contents.MOST_CHARACTERS + 1)}]}
    write(other / "hooks/hooks.json", json.dumps({"hooks": {"Stop": [group]}}))
    assert plugin_contents.contents_of(other).is_cut
