"""Slash commands and skills, read from the files in which people keep them.

For sessions without a live run; one that runs tells its commands itself, with the built-in ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from .capabilities import Command

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
_READ = 16 * 1024
_MOST = 500
_NAME = re.compile(r"[\w:.-]{1,100}")


def on_disk(project: Path, config_dir: Path) -> list[Command]:
    """The commands and skills of a project and of the person; the project's come first."""
    found: dict[str, Command] = {}
    for root in (project / ".claude", config_dir):
        for command in (*_commands(root / "commands"), *_skills(root / "skills")):
            found.setdefault(command.name, command)
    return sorted(found.values())


def matching(commands: Iterable[Command], query: str) -> list[Command]:
    """Those whose name begins with `query`, then those that hold it, in a word of it or at all."""
    query = query.lower()

    def rank(command: Command) -> tuple[int, str]:
        name = command.name.lower()
        at = name.find(query)
        if at <= 0:
            return at * 9, name  # it begins with it
        return 1 if name[at - 1] in ":-_." else 2, name

    return sorted((c for c in commands if query in c.name.lower()), key=rank)


def _commands(folder: Path) -> Iterator[Command]:
    """`frontend/test.md` is `/test`, as Claude has it."""
    for path in _files(folder, "**/*.md"):
        yield from _command(path, path.stem)


def _skills(folder: Path) -> Iterator[Command]:
    for path in _files(folder, "*/SKILL.md"):
        yield from _command(path, path.parent.name)


def _files(folder: Path, pattern: str) -> list[Path]:
    try:
        return [path for path, _ in zip(sorted(folder.glob(pattern)), range(_MOST), strict=False)]
    except OSError:
        return []


def _command(path: Path, name: str) -> Iterator[Command]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_READ)
    except OSError:
        return
    if not _NAME.fullmatch(name):
        return
    header = _FRONT_MATTER.match(text)
    fields = _fields(header[1]) if header else {}
    if fields.get("user-invocable") is False:
        return
    body = text[header.end() :] if header else text
    first = next((line.strip("# \t") for line in body.splitlines() if line.strip("- \t")), "")
    description = fields.get("description") or first
    yield Command(name, _line(description), _line(fields.get("argument-hint")))


def _fields(header: str) -> dict[str, object]:
    try:
        fields = yaml.safe_load(header)
    except yaml.YAMLError:
        # People write `argument-hint: [a] [b]`, which is no YAML; what can be read, is
        pairs = (line.partition(":") for line in header.splitlines())
        return {key.strip(): value.strip() for key, colon, value in pairs if colon}
    return fields if isinstance(fields, dict) else {}


def _line(value: object) -> str:
    if isinstance(value, list):  # `argument-hint: [file]` is a list to YAML
        return " ".join(f"[{each}]" for each in value)
    return " ".join(value.split()) if isinstance(value, str) else ""
