"""What a person has set for the copies of a project: the files to carry over, a set-up command.

It is kept here and nowhere in the project: a repository cannot bring a command with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.files.state_folders import StateFolder

VERSION = 1
MOST_PATTERNS = 50
LONGEST_PATTERN = 200
LONGEST_COMMAND = 4000
DEFAULT_PATTERNS = (".env", ".env.*", ".claude/settings.local.json")

PROJECTS = StateFolder(
    "worktree_projects", "what copies of a project begin with, and their set-up", version=VERSION
)


class InvalidSetup(Exception):
    """A setting of copies that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class ProjectSetup:
    """`patterns` name untracked files; `command` is for /bin/sh, and empty for none."""

    repository: str
    patterns: tuple[str, ...] = DEFAULT_PATTERNS
    command: str = ""


class ProjectSetups:
    """The settings by repository, shared by all workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = CachedJsonFiles(_SCHEMA, 64)

    def of(self, repository: Path) -> ProjectSetup:
        """The settings for the repository whose main checkout is given."""
        found = self._files.read(self._path(repository))
        return found if found and found.repository == str(repository) else _usual(repository)

    def set(self, setup: ProjectSetup) -> None:
        """Raises InvalidSetup, OSError, DiskFull."""
        check(setup)
        with raise_disk_full():
            atomic_files.make_folder(self._folder)
            self._files.write(self._path(Path(setup.repository)), asdict(setup))

    def _path(self, repository: Path) -> Path:
        digest = hashlib.sha256(str(repository).encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / f"{digest[:32]}.json"


def patterns_in(text: str) -> tuple[str, ...]:
    """The patterns that a person typed, one on a line."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def check(setup: ProjectSetup) -> None:
    """Raises InvalidSetup."""
    if len(setup.patterns) > MOST_PATTERNS:
        raise InvalidSetup(f"Name at most {MOST_PATTERNS} patterns.")
    for each in setup.patterns:
        parts = each.strip("/").split("/")
        if len(each) > LONGEST_PATTERN or "\0" in each or ".." in parts or "" in parts:
            raise InvalidSetup(
                f"“{each[:LONGEST_PATTERN]}” is no pattern for files of the project."
            )
        if ".git" in parts:
            raise InvalidSetup("What is in .git cannot be carried over.")
    if len(setup.command) > LONGEST_COMMAND or "\0" in setup.command:
        raise InvalidSetup(f"The command is longer than {LONGEST_COMMAND:,} characters.")


def _usual(repository: Path) -> ProjectSetup:
    return ProjectSetup(str(repository))


def _parse(found: dict[str, Any]) -> ProjectSetup:
    return ProjectSetup(
        str(found["repository"]), tuple(map(str, found["patterns"])), str(found["command"])
    )


_SCHEMA = JsonFileSchema(VERSION, _parse)
