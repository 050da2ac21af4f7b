"""Slash commands and skills, as people write them into files."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.engines.capabilities import Command
from opcode_htmx.engines.claude.config.slash_commands import matching, on_disk


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "project"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_project_without_commands_has_none(project: Path, config: Path) -> None:
    assert on_disk(project, config) == []


def test_commands_and_skills_of_the_project_and_of_the_person(project: Path, config: Path) -> None:
    write(
        project / ".claude" / "commands" / "frontend" / "prune.md",
        "---\ndescription: Prune the trees\nargument-hint: <tree>\n---\nPrune.",
    )
    write(config / "commands" / "tidy.md", "# Tidy up\n\nAll of it.")
    write(
        project / ".claude" / "skills" / "grafting" / "SKILL.md",
        "---\nname: grafting\ndescription: >\n  Graft one tree\n  onto another.\n---\nHow to.",
    )
    assert on_disk(project, config) == [
        Command("frontend:prune", "Prune the trees", "<tree>"),
        Command("grafting", "Graft one tree onto another.", ""),
        Command("tidy", "Tidy up", ""),
    ]


def test_the_projects_command_goes_before_the_persons(project: Path, config: Path) -> None:
    write(project / ".claude" / "commands" / "tidy.md", "The project's")
    write(config / "commands" / "tidy.md", "The person's")
    assert [each.description for each in on_disk(project, config)] == ["The project's"]


@pytest.mark.parametrize(
    ("text", "description", "hint"),
    [
        ("---\nargument-hint: [file]\n---\nDo it", "Do it", "[file]"),
        ("---\nargument-hint: [a] [b]\ndescription: Two\n---\n", "Two", "[a] [b]"),
        ("---\ndescription: !!python/object/apply:os.system [ls]\n---\nx", "!!python", ""),
        ("---\n- a list\n---\nWords", "Words", ""),
        ("---\ndescription: 3\n---\nWords", "", ""),
        ("---\nnever: closed", "never: closed", ""),
        ("", "", ""),
        ("\xff\xfe", "ÿþ", ""),
    ],
)
def test_malformed_front_matter_is_tolerated(
    project: Path, config: Path, text: str, description: str, hint: str
) -> None:
    write(project / ".claude" / "commands" / "x.md", text)
    (command,) = on_disk(project, config)
    assert command.description.startswith(description)
    assert command.argument_hint == hint


def test_a_skill_that_is_for_claude_alone_is_not_offered(project: Path, config: Path) -> None:
    write(project / ".claude" / "skills" / "own" / "SKILL.md", "---\nuser-invocable: false\n---\n")
    assert on_disk(project, config) == []


def test_names_with_the_typed_prefix_come_first() -> None:
    known = [Command(name, "", "") for name in ("uncommit", "git:commit", "commit", "compact", "x")]
    assert [each.name for each in matching(known, "comm")] == ["commit", "git:commit", "uncommit"]
    assert len(matching(known, "")) == 5
