"""Declarations of what is kept in the state folder: by whom, for how long, in which version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

_NAME = late_pattern(r"[a-z][a-z0-9_]*(\.(nd)?json)?", re.ASCII)


class Backup(Enum):
    """Whether a backup has a part of the state folder."""

    ALWAYS = "always"
    SECRETS = "secrets"
    """Only with the secrets: it lets somebody in, or may hold keys of other services."""
    INDEX = "index"
    """Only with the index: it is large, and made again."""
    NEVER = "never"
    """It is made again, or means nothing elsewhere."""


@dataclass(frozen=True, slots=True)
class StateFolder:
    """One folder, or one file, in the state folder.

    Retention, the trash and docs/state.md read these declarations.
    """

    name: str
    """Its name in the state folder, such as `drafts` or `marks.json`."""
    holds: str
    """What is in it, in a few words."""
    keep: str = "until it is removed"
    """How long, in words."""
    version: int | None = None
    """The version of its JSON files; None where there are none of ours."""
    per_session: bool = False
    """Whether each entry is named after a session: `<session>` or `<session>.json`."""
    with_session: bool = False
    """Whether an entry goes once nothing is left of its session."""
    in_trash: bool = False
    """Whether an entry goes into the trash with its session, and comes back with it."""
    backup: Backup = Backup.ALWAYS


class StateDir:
    """The state folder, and where each declared part of it lies."""

    def __init__(self, path: Path, folders: Iterable[StateFolder]) -> None:
        """Raises ValueError where a name is declared twice, or is no plain name."""
        self.path = path
        self._folders: dict[str, StateFolder] = {}
        for each in folders:
            if each.name in self._folders or not _NAME.fullmatch(each.name):
                raise ValueError(f"{each.name!r} cannot be declared in the state folder (again)")
            self._folders[each.name] = each

    def __iter__(self) -> Iterator[StateFolder]:
        return iter(self._folders.values())

    def folder(self, name: str) -> Path:
        """Where the declared folder or file lies. Raises KeyError for one that is not declared."""
        return self.path / self._folders[name].name

    def of_session(self, session_id: str) -> Mapping[StateFolder, Path]:
        """The entries that are named after a session, whether or not they are there."""
        return {each: self.path / each.name / session_id for each in self if each.per_session}
