"""Files shown for a project lie inside it, whatever links it contains."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.config import mcp_config, slash_commands
from opcode_htmx.lib.files import confined
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, basic_header

SECRET = "---\ndescription: secret\n---\nsecret"


@pytest.fixture
def secret(sandbox: Sandbox) -> Path:
    """A folder outside of the project, laid out like one with commands."""
    folder = sandbox.home / "private"
    for path in ("commands/secret.md", "commands/inner/deep.md", "skills/own/SKILL.md", "notes"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(SECRET)
    servers = {"mcpServers": {"secret": {"command": "secret"}}}
    (folder / "servers.json").write_text(json.dumps(servers))
    return folder


def a_file(project: Path, secret: Path) -> None:
    (project / ".claude" / "commands").mkdir(parents=True)
    (project / ".claude" / "commands" / "x.md").symlink_to(secret / "notes")
    (project / ".claude" / "commands" / "y.md").symlink_to(secret / "commands" / "secret.md")


def a_link_to_a_link(project: Path, secret: Path) -> None:
    (project / ".claude" / "commands").mkdir(parents=True)
    (project / "notes.md").symlink_to(secret / "commands" / "secret.md")
    (project / ".claude" / "commands" / "x.md").symlink_to("../../notes.md")


def the_folder_of_commands(project: Path, secret: Path) -> None:
    (project / ".claude").mkdir()
    (project / ".claude" / "commands").symlink_to(secret / "commands")


def the_folder_of_settings(project: Path, secret: Path) -> None:
    (project / ".claude").symlink_to(secret)


def a_folder_in_the_folder_of_commands(project: Path, secret: Path) -> None:
    (project / ".claude" / "commands").mkdir(parents=True)
    (project / ".claude" / "commands" / "inner").symlink_to(secret / "commands")


def the_folder_of_skills(project: Path, secret: Path) -> None:
    (project / ".claude").mkdir()
    (project / ".claude" / "skills").symlink_to(secret / "skills")


def a_skill(project: Path, secret: Path) -> None:
    (project / ".claude" / "skills").mkdir(parents=True)
    (project / ".claude" / "skills" / "x").symlink_to(secret / "skills" / "own")


def a_file_of_a_skill(project: Path, secret: Path) -> None:
    (project / ".claude" / "skills" / "x").mkdir(parents=True)
    (project / ".claude" / "skills" / "x" / "SKILL.md").symlink_to(secret / "skills/own/SKILL.md")


LINKS = [
    a_file,
    a_link_to_a_link,
    the_folder_of_commands,
    the_folder_of_settings,
    a_folder_in_the_folder_of_commands,
    the_folder_of_skills,
    a_skill,
    a_file_of_a_skill,
]


@pytest.mark.parametrize("link", LINKS, ids=lambda each: each.__name__)
def test_a_linked_command_outside_of_the_project_is_not_read(
    sandbox: Sandbox, secret: Path, link: Callable[[Path, Path], None]
) -> None:
    link(sandbox.project, secret)
    assert list(slash_commands.files(sandbox.project, sandbox.config_dir)) == []


def test_command_list_contains_nothing_outside_of_the_project(
    sandbox: Sandbox, secret: Path, stand_in: Path
) -> None:
    a_file(sandbox.project, secret)
    with app_of(sandbox, stand_in) as app:
        ask = app.test_client()
        for path, query in (
            ("/api/slash-commands", {"project_path": str(sandbox.project)}),
            ("/new/complete", {"folder": str(sandbox.project), "q": "/"}),
        ):
            answer = ask.get(path, query_string=query, headers=basic_header())
            assert answer.status_code == 200
            assert "secret" not in answer.text


def test_links_inside_the_project_are_followed(sandbox: Sandbox) -> None:
    shared = sandbox.project / "shared"
    (shared / "skill").mkdir(parents=True)
    (shared / "commands").mkdir()
    (shared / "commands" / "greet.md").write_text("Say hello")
    (shared / "skill" / "SKILL.md").write_text("Do it")
    (sandbox.project / ".claude" / "skills").mkdir(parents=True)
    (sandbox.project / ".claude" / "skills" / "own").symlink_to("../../shared/skill")
    (sandbox.project / ".claude" / "commands").symlink_to("../shared/commands")
    found = slash_commands.files(sandbox.project, sandbox.config_dir)
    assert {each.name for each in found} == {"greet", "own"}


def test_a_person_may_link_to_commands_that_are_kept_elsewhere(
    sandbox: Sandbox, secret: Path
) -> None:
    (sandbox.config_dir / "skills").mkdir()
    (sandbox.config_dir / "skills" / "own").symlink_to(secret / "skills" / "own")
    (sandbox.config_dir / "commands").mkdir()
    (sandbox.config_dir / "commands" / "mine.md").symlink_to(secret / "commands" / "secret.md")
    (sandbox.config_dir / "commands" / "notes.md").symlink_to(secret / "notes")
    found = slash_commands.files(None, sandbox.config_dir)
    assert {each.name for each in found} == {"mine", "own"}, "not what is no command"


def test_fifo_among_the_commands_does_not_block(sandbox: Sandbox) -> None:
    folder = sandbox.project / ".claude" / "commands"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "x.md")
    assert list(slash_commands.files(sandbox.project, sandbox.config_dir)) == []


@pytest.mark.parametrize("name", [".mcp.json", ".claude/settings.local.json"])
def test_linked_settings_outside_of_the_project_are_not_read(
    sandbox: Sandbox, secret: Path, name: str
) -> None:
    path = sandbox.project / name
    path.parent.mkdir(exist_ok=True)
    if name == ".mcp.json":
        path.symlink_to(secret / "servers.json")
    else:
        (sandbox.project / ".mcp.json").write_text((secret / "servers.json").read_text())
        (secret / "all.json").write_text('{"enableAllProjectMcpServers": true}')
        path.symlink_to(secret / "all.json")
    found = mcp_config.servers(sandbox.home / "none.json", sandbox.config_dir, sandbox.project)
    assert not [each for each in found if each.is_active]


def test_a_link_put_in_place_of_a_file_that_was_checked_is_not_followed(
    sandbox: Sandbox, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, walk = sandbox.project / "own.md", confined._walk
    path.write_text("own")

    def swap(root: Path, parts: tuple[str, ...]) -> int:
        path.unlink()
        path.symlink_to(secret / "notes")
        return walk(root, parts)

    monkeypatch.setattr(confined, "_walk", swap)
    with pytest.raises(OSError, match="symbolic links"):
        confined.open_file(path, sandbox.project)


def test_a_system_that_cannot_open_a_path_only_follows_no_link_either(
    sandbox: Sandbox, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confined, "ENTER", confined.LIST)
    monkeypatch.setattr(confined.walk, "__defaults__", (confined.LIST,))
    (sandbox.project / "inner").mkdir()
    (sandbox.project / "link").symlink_to(secret)
    os.close(confined.open_folder(sandbox.project / "inner", sandbox.project))
    with pytest.raises(confined.Outside):
        confined.open_folder(sandbox.project / "link", sandbox.project)
    with pytest.raises(NotADirectoryError):
        confined._walk(sandbox.project, ("link",))


@pytest.mark.parametrize("path", ["../private/notes", "a/../../private/notes", "/etc/hostname"])
def test_a_path_that_leads_out_is_refused(sandbox: Sandbox, secret: Path, path: str) -> None:
    with pytest.raises(confined.Outside):
        confined.open_file(sandbox.project / path, sandbox.project)
    assert not confined.is_inside(sandbox.project / path, sandbox.project)
