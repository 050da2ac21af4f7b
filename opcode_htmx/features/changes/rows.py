"""The list of changed files as a page shows it: in groups, in parts, with what is known of each."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from opcode_htmx.lib.concurrency.cooperative import run_in_thread, yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined
from opcode_htmx.lib.git.changes import file_diffs
from opcode_htmx.lib.git.changes.model import Change, Listing, Side, Status

PAGE = 100
"""Files that are shown at once."""
COUNTED = 500
"""New files whose lines are counted; further ones have no number."""
MOST_COUNTED_BYTES = 512 * 1024

LETTERS = {
    Status.ADDED: "A",
    Status.MODIFIED: "M",
    Status.DELETED: "D",
    Status.RENAMED: "R",
    Status.COPIED: "C",
    Status.RETYPED: "T",
    Status.CONFLICT: "!",
    Status.UNTRACKED: "N",
}
WORDS = {**{each: each.value for each in Status}, Status.UNTRACKED: "new"}
CONFLICTS = "In conflict"
GROUPS = {
    Side.NONE: "Changed",
    Side.UNSTAGED: "Not staged",
    Side.STAGED: "Staged",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A changed file in a list."""

    change: Change
    version: str
    """Changes with the diff, as far as can be seen without reading the file."""

    @property
    def id(self) -> str:
        """Names the change on its page."""
        return id_of(self.change)

    @property
    def path(self) -> str:
        return os.fsdecode(self.change.path)

    @property
    def old_path(self) -> str:
        return os.fsdecode(self.change.old_path)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return "".join(self.path.rpartition("/")[:2])

    @property
    def letter(self) -> str:
        return LETTERS[self.change.status]

    @property
    def word(self) -> str:
        return WORDS[self.change.status]

    @property
    def key(self) -> str:
        """The path in characters that any file and address may have."""
        return quote(self.change.path, safe="/")


def id_of(change: Change) -> str:
    return sha256(change.side.encode() + b"\0" + change.path).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one side."""

    heading: str
    rows: tuple[Row, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Totals:
    files: int
    added: int
    removed: int
    groups: Counter[str]
    """The numbers of changes by the headings of their groups."""


def totals(listing: Listing) -> Totals:
    """The number of files, each counted once, and of lines."""
    files = {each.path for each in listing.changes}
    added = sum(each.added or 0 for each in listing.changes)
    removed = sum(each.removed or 0 for each in listing.changes)
    groups = Counter(map(heading_of, listing.changes))
    return Totals(len(files), added, removed, groups)


def ordered(listing: Listing) -> list[Change]:
    """Conflicts, what is not staged, what is staged; in each the paths in order."""

    def place(change: Change) -> tuple[bool, bool, bytes]:
        staged = change.side is Side.STAGED
        return change.status is not Status.CONFLICT, staged, change.path

    return sorted(listing.changes, key=place)


def part(top: Path, changes: Sequence[Change], first: int) -> list[Row]:
    """The rows of PAGE changes from the index `first` on."""
    shown = changes[first : first + PAGE]
    return run_in_thread(lambda: [row_of(top, each) for each in shown])


def row_of(top: Path, change: Change) -> Row:
    """The row of a change. Reads the file's status only."""
    state = "" if change.side is Side.STAGED else _state(top / os.fsdecode(change.path))
    parts = (change.status, change.old, change.new, change.mode, state)
    version = sha256(repr(parts).encode()).hexdigest()[:12]
    return Row(change, version)


def heading_of(change: Change) -> str:
    """The group that a change is shown in."""
    return CONFLICTS if change.status is Status.CONFLICT else GROUPS[change.side]


def grouped(rows: Sequence[Row], totals: Totals) -> Iterator[Group]:
    """The rows by their groups, with the numbers of all changes there."""
    for heading in (CONFLICTS, *GROUPS.values()):
        found = tuple(each for each in rows if heading_of(each.change) == heading)
        if found:
            yield Group(heading, found, totals.groups[heading])


def with_new_lines(top: Path, listing: Listing) -> Listing:
    """With the lines of new files counted, of the first COUNTED and of no long one."""
    new = [each for each in listing.changes if each.status is Status.UNTRACKED][:COUNTED]
    if not new:
        return listing
    counts = run_in_thread(lambda: {each.path: _line_count(top, each.path) for each in new})
    changes = tuple(_counted(each, counts.get(each.path)) for each in yielding(listing.changes))
    return replace(listing, changes=changes)


def _counted(change: Change, lines: int | None) -> Change:
    if lines is None or change.status is not Status.UNTRACKED:
        return change
    if lines < 0:
        return replace(change, is_binary=True)
    return replace(change, added=lines, removed=0)


def _line_count(top: Path, path: bytes) -> int | None:
    """The number of lines; -1 for a binary file, None for one that is not read."""
    file = top / os.fsdecode(path)
    try:
        status = file.lstat()
        if stat.S_ISLNK(status.st_mode):
            return 1
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_COUNTED_BYTES:
            return None
        descriptor = os.open(file, confined.READ)
        with os.fdopen(descriptor, "rb") as opened:
            content = opened.read(MOST_COUNTED_BYTES)
    except OSError:
        return None
    if file_diffs.is_binary(content):
        return -1
    return file_diffs.line_count(content)


def _state(path: Path) -> str:
    try:
        status = path.lstat()
    except (OSError, ValueError):
        return "-"
    return f"{status.st_size}.{status.st_mtime_ns}.{status.st_mode}.{status.st_ino}"
