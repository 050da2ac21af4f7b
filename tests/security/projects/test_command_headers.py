"""Headers of command files are untrusted text: reading them takes a bounded time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.config import slash_commands
from opcode_htmx.engines.claude.config.slash_commands import (
    CommandFile,
    files,
    on_disk,
)

ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(9 * [f'*{before}'])}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "aliases that multiply": ALIASES,
    "brackets in one another": "description: " + "[" * 4000,
    "mappings in one another": "{a: " * 1000,
    "lists in one another": "- " * 2000,
    "keys in one another": "".join(f"{' ' * depth}a:\n" for depth in range(85)),
    "a list of many": f"a: [{'x,' * 2000}",
    "complex keys": "? " * 2000,
    "a long number": f"argument-hint: [0x{'f' * 4000}]",
    "times that are none": "description: !!timestamp soon",
    "truths that are none": "description: !!bool perhaps",
}
SECONDS = 5.0
"""A thousand times the usual time of a header; without bounds it takes a minute and more."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "project"


def write(project: Path, name: str, header: str, content: str = "Do it.") -> None:
    path = project / ".claude" / "commands" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\n{header}\n---\n{content}", encoding="utf-8")


def listed(project: Path) -> list[CommandFile]:
    return files(project, project / "none")


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    slash_commands._fields.cache_clear()


@pytest.mark.parametrize("header", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_header_takes_no_time_and_its_command_is_listed(
    project: Path, header: str
) -> None:
    write(project, "hostile", header)
    write(project, "kind", "description: Be kind")
    began = time.process_time()
    hostile, kind = listed(project)
    assert time.process_time() - began < SECONDS
    assert (hostile.name, hostile.content) == ("hostile", "Do it.")
    assert kind.description == "Be kind"


def test_an_alias_is_never_followed(project: Path) -> None:
    write(project, "x", "argument-hint: &hint [file]\ndescription: *hint")
    (command,) = listed(project)
    assert command.description == "*hint"


def test_overlong_header_is_not_read_and_reported(project: Path) -> None:
    write(project, "long", f"description: long\nother: {'x' * slash_commands.LONGEST_HEADER}")
    write(project, "short", f"description: short\nother: {'x' * 4000}")
    long, short = listed(project)
    assert (long.description, long.content) == ("", "Do it.")
    assert long.problem == "No description: its header is longer than 4,096 characters."
    assert (short.description, short.problem) == ("short", "")
    offered = {each.name: each.description for each in on_disk(project, project / "none")}
    assert offered == {"long": long.problem, "short": "short"}


def test_headers_that_take_too_long_together_are_read_at_the_next_listings(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        write(project, f"c{number:02}", f"description: Number {number}\nx: [{'x,' * 1900}]")
    monkeypatch.setattr(slash_commands, "SECONDS", 0.05)
    first = listed(project)
    assert [each.name for each in first] == [f"c{number:02}" for number in range(20)]
    unread = [each for each in first if each.problem]
    assert 0 < len(unread) < 20
    assert {each.problem for each in unread} == {
        "No description: reading the headers of all commands takes too long."
    }
    for _ in range(40):
        last = listed(project)
    assert [each.description for each in last] == [f"Number {number}" for number in range(20)]


def test_linked_folders_and_endless_trees_end(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slash_commands, "MOST_ENTRIES", 50)
    for number in range(200):
        folder = project / ".claude" / "commands" / f"f{number:03}"
        folder.mkdir(parents=True)
        (folder / "x.md").write_text("Do it.", encoding="utf-8")
    (project / ".claude" / "commands" / "f000" / "loop").symlink_to(project, True)
    assert len(listed(project)) < 200


@pytest.mark.parametrize("tools", ["(" * 4000, "Bash(" * 800, "Bash(a, b" * 400])
def test_unclosed_brackets_in_a_list_of_tools_take_no_time(project: Path, tools: str) -> None:
    write(project, "x", f'allowed-tools: "{tools}"')
    began = time.process_time()
    listed(project)
    assert time.process_time() - began < SECONDS
