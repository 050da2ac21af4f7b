"""A changed file, and the list of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from opcode_htmx.lib.dataclass import dataclass

MOST = 50_000
"""The number of changes that are listed; the rest is left out."""
_SUBMODULE = b"160000"


class Status(StrEnum):
    """What became of a file."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    RENAMED = "renamed"
    COPIED = "copied"
    RETYPED = "retyped"
    """A file became a link, a submodule or the other way round."""
    CONFLICT = "conflict"
    UNTRACKED = "untracked"


class Side(StrEnum):
    """Which part of the changes since the last commit; NONE against any other commit."""

    STAGED = "staged"
    UNSTAGED = "unstaged"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A changed file."""

    path: bytes
    status: Status
    side: Side = Side.NONE
    old_path: bytes = b""
    """Its path before, if it was renamed or copied."""
    old: str = ""
    """The id of the blob before, for a file that there was."""
    new: str = ""
    """The id of the blob after, where git has one: not for files of the working tree."""
    mode: bytes = b""
    added: int | None = None
    removed: int | None = None
    """The numbers of lines; None where they are not known, or the file is binary."""
    is_binary: bool = False
    is_outside_index: bool = False
    """Whether the working tree and the commit have it, and the index has not."""

    @property
    def is_submodule(self) -> bool:
        return self.mode == _SUBMODULE


@dataclass(frozen=True, slots=True)
class Listing:
    """The state of a working tree."""

    head: str = ""
    """The id of the last commit; empty before the first one."""
    branch: str = ""
    """The name of the branch; empty where none is checked out."""
    upstream: str = ""
    changes: tuple[Change, ...] = ()
    is_cut: bool = False
    """Whether there are more changes than are listed."""
    is_counted: bool = True
    """Whether the lines were counted; not those of more than MOST_COUNTED changes."""


LETTERS: Mapping[str, Status] = {
    "A": Status.ADDED,
    "M": Status.MODIFIED,
    "D": Status.DELETED,
    "R": Status.RENAMED,
    "C": Status.COPIED,
    "T": Status.RETYPED,
    "U": Status.CONFLICT,
}
"""By the letters of git."""


def is_inside(path: bytes) -> bool:
    """Whether it is a path below the top: an index can contain any text."""
    if not path or path.startswith(b"/"):
        return False
    return b".." not in path or b".." not in path.split(b"/")
