"""The kinds of documents: what their files are called, where they lie, and which fields they have.

A name becomes a path here and nowhere else, and only one that `checked_name` has taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from opcode_htmx.engines.claude.config.scopes import SHARED_MODE, Scope
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.versioned_files import Place
from opcode_htmx.lib.late.patterns import late_pattern

SCOPES = (Scope.PROJECT, Scope.USER)
"""Where documents can be written."""
LONGEST_NAME = 64
MOST_NUMBER = 10**15
"""No number in a field is as large; Python refuses to write very long ones."""
MOST_FOLDERS = 4
"""Of a command: `/a:b:c:d:name`."""

_PART = late_pattern(r"\w[\w.-]*", re.UNICODE)
_RESERVED = frozenset({"skill", "con", "nul", "aux", "prn"})
"""SKILL.md in a folder of commands is a skill; the others are no files on some systems."""


class InvalidName(Exception):
    """A name that cannot be that of a document; the text says why."""


class Kind(StrEnum):
    """A kind of document, and the name of its folder."""

    COMMAND = "commands"
    SKILL = "skills"
    AGENT = "agents"

    @property
    def noun(self) -> str:
        return {"commands": "command", "skills": "skill", "agents": "subagent"}[self.value]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the front matter. `is_list`: names with commas between them, or a YAML list."""

    name: str
    is_list: bool = False
    is_required: bool = False


_COMMAND = (
    Field("description"),
    Field("argument-hint"),
    Field("allowed-tools", is_list=True),
    Field("model"),
)
FIELDS = {
    Kind.COMMAND: _COMMAND,
    Kind.SKILL: (Field("description", is_required=True), *_COMMAND[1:]),
    Kind.AGENT: (
        Field("description", is_required=True),
        Field("tools", is_list=True),
        Field("model"),
        Field("color"),
    ),
}
"""The fields that have a control; all others of a file are kept."""
COLORS = ("red", "blue", "green", "yellow", "purple", "orange", "pink", "cyan")
MODELS = ("inherit", "sonnet", "opus", "haiku")


def root_of(kind: Kind, scope: Scope, config_dir: Path, project: Path | None) -> Path | None:
    """The folder of the documents of a kind; None where there is no project."""
    if scope is Scope.USER:
        return config_dir / kind.value
    return project / ".claude" / kind.value if project else None


def place_of(scope: Scope, path: Path, project: Path | None) -> Place:
    """Where a document lies; one of a project must not lead out of it."""
    if scope is Scope.PROJECT:
        return Place(path, root=project, new_mode=SHARED_MODE)
    return Place(path)


def checked_name(kind: Kind, name: str) -> Sequence[str]:
    """The parts of a name, the folders of a command before its own. Raises InvalidName."""
    parts = name.removeprefix("/").split(":")
    if len(parts) > (MOST_FOLDERS if kind is Kind.COMMAND else 0) + 1:
        raise InvalidName(
            f"A {kind.noun} has at most {MOST_FOLDERS} folders before its name."
            if kind is Kind.COMMAND
            else f"The name of a {kind.noun} has no “:”."
        )
    for part in parts:
        if not part:
            raise InvalidName(f"Give the {kind.noun} a name.")
        if len(part) > LONGEST_NAME:
            raise InvalidName(f"A name has at most {LONGEST_NAME} letters.")
        if not _PART.fullmatch(part) or part.endswith("."):
            raise InvalidName("A name has letters, digits, and - _ . between them.")
        if part.lower() in _RESERVED:
            raise InvalidName(f"“{part}” cannot be the name of a {kind.noun}.")
    return parts


def path_of(kind: Kind, root: Path, name: str) -> Path:
    """The file of a new document. Raises InvalidName."""
    parts = checked_name(kind, name)
    if kind is Kind.SKILL:
        return root / parts[0] / "SKILL.md"
    return root.joinpath(*parts[:-1], f"{parts[-1]}.md")
