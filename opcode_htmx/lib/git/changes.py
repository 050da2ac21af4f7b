"""List the changed files of a working tree: since the last commit, or since any other one.

Everything is read under READING. Paths are bytes, relative to the top of the working tree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from enum import StrEnum

import gevent

from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import diffs, porcelain
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import LITERAL
from opcode_htmx.lib.git.porcelain import Entry
from opcode_htmx.lib.git.process import GitFailed

MOST = 50_000
"""The number of changes that are listed; the rest is left out."""
MOST_COUNTED = 2000
"""With more changes no lines are counted: git would read every file twice."""
_SUBMODULE = b"160000"
_MOST_HASHED = 500


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


_LETTERS: Mapping[str, Status] = {
    "A": Status.ADDED,
    "M": Status.MODIFIED,
    "D": Status.DELETED,
    "R": Status.RENAMED,
    "C": Status.COPIED,
    "T": Status.RETYPED,
    "U": Status.CONFLICT,
}


def listed(git: Git, commit: str = "", inside: bytes = b"") -> Listing:
    """What has changed since the last commit, or since `commit`, the id of any commit.

    `inside` is a folder below the top: only what is in it is listed. Raises GitFailed.
    """
    git = git.at_top()
    paths = ("--", os.fsdecode(inside)) if inside else ()
    sides = {Side.NONE: (commit,)} if commit else {Side.UNSTAGED: (), Side.STAGED: ("--cached",)}
    raw = gevent.spawn(_attempt, git, ("--raw", "--no-abbrev", commit), paths) if commit else None
    # At the same time, although many changes are not counted: most trees have few
    counting = {
        side: gevent.spawn(_attempt, git, ("--numstat", *options), paths)
        for side, options in sides.items()
    }
    try:
        listing = status(git, inside)
        is_counted = len(listing.changes) <= MOST_COUNTED
        if not is_counted:
            gevent.killall(list(counting.values()))  # which ends git
        if raw is not None:  # a greenlet that has ended is false
            listing = _without_unchanged(git, _since(listing, _result(raw.get())))
        if not is_counted or len(listing.changes) > MOST_COUNTED:
            return replace(listing, is_counted=False)
        counts = {side: _result(each.get()).counts for side, each in counting.items()}
    finally:
        gevent.killall([*counting.values(), *([] if raw is None else [raw])])
    changes = tuple(_counted(each, counts.get(each.side, {})) for each in yielding(listing.changes))
    return replace(listing, changes=changes)


def status(git: Git, inside: bytes = b"") -> Listing:
    """What has changed since the last commit, without the numbers of lines. Raises GitFailed."""
    paths = ("--", os.fsdecode(inside)) if inside else ()
    output = git.at_top().run(
        *(*porcelain.STATUS, "--branch", "--no-column", "--find-renames", *paths),
        variables=LITERAL,
    )
    head, entries = porcelain.parse(output.content)
    changes: list[Change] = []
    for each in entries:
        if len(changes) >= MOST:
            break
        changes += _of_entry(each)
    return Listing(
        head.commit,
        head.branch,
        head.upstream,
        tuple(each for each in changes if _is_inside(each.path)),
        output.cut or len(changes) >= MOST,
    )


def _of_entry(entry: Entry) -> Iterator[Change]:
    """The staged and the unstaged change of a path."""
    if entry.is_conflict:
        conflict_mode = entry.file_mode.encode()
        yield Change(entry.path, Status.CONFLICT, Side.UNSTAGED, mode=conflict_mode)
        return
    if entry.unstaged == "?":
        yield Change(entry.path, Status.UNTRACKED, Side.UNSTAGED)
        return
    head, index = entry.head_object, entry.index_object
    modes = entry.head_mode, entry.index_mode, entry.file_mode
    for side, letter, old, new, old_mode, new_mode in (
        (Side.STAGED, entry.staged, head, index, modes[0], modes[1]),
        (Side.UNSTAGED, entry.unstaged, index, "", modes[1], modes[2]),
    ):
        if not letter:
            continue
        kind_of = _LETTERS.get(letter, Status.MODIFIED)
        moved = (entry.origin or b"") if kind_of in (Status.RENAMED, Status.COPIED) else b""
        mode = old_mode if kind_of is Status.DELETED else new_mode
        yield Change(entry.path, kind_of, side, moved, old, new, mode.encode())


def _attempt(git: Git, options: tuple[str, ...], paths: tuple[str, ...]) -> _Diff | GitFailed:
    """gevent would print what a greenlet raises."""
    try:
        return _diff(git, options, paths)
    except GitFailed as error:
        return error


def _result(found: _Diff | GitFailed) -> _Diff:
    if isinstance(found, GitFailed):
        raise found
    return found


# --- diffs ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Diff:
    """What `git diff` lists: changes, and numbers of lines by path."""

    changes: list[Change] = field(default_factory=list)
    counts: dict[bytes, tuple[int | None, int | None]] = field(default_factory=dict)
    is_cut: bool = False


def _diff(git: Git, options: tuple[str, ...], paths: tuple[str, ...]) -> _Diff:
    """Raises GitFailed."""
    output = git.run(
        *("diff", "-z", *(each for each in diffs.OPTIONS if each != "--patch"), *options, *paths),
        settings=diffs.SETTINGS,
        variables=LITERAL,
    )
    found = _Diff(is_cut=output.cut)
    fields = iter(output.content.split(b"\0")[:-1])
    for each in yielding(fields):
        if each.startswith(b":"):
            change = _of_raw(each, fields)
            if len(found.changes) >= MOST:
                found.is_cut = True
            elif _is_inside(change.path):
                found.changes.append(change)
        elif each.count(b"\t") >= 2:
            added, removed, path = each.split(b"\t", 2)
            if not path:
                next(fields, b"")
                path = next(fields, b"")
            found.counts[path] = _number(added), _number(removed)
    return found


def _of_raw(record: bytes, fields: Iterator[bytes]) -> Change:
    """The change in a line such as `:100644 100644 0123 4567 M`, which the path follows."""
    old_mode, new_mode, old, new, letter = record[1:].split(b" ")
    kind_of = _LETTERS.get(chr(letter[0]), Status.MODIFIED)
    path = next(fields, b"")
    old_path = b""
    if kind_of in (Status.RENAMED, Status.COPIED):
        old_path, path = path, next(fields, b"")
    mode = old_mode if kind_of is Status.DELETED else new_mode
    return Change(
        path,
        kind_of,
        Side.NONE,
        old_path,
        _blob(old.decode("ascii")),
        _blob(new.decode("ascii")),
        mode,
    )


def _since(listing: Listing, diff: _Diff) -> Listing:
    """The changes since another commit: those of a diff, with the untracked files of the status."""
    of_status = {each.path: each for each in listing.changes}
    changes: dict[bytes, Change] = {}
    for each in yielding(diff.changes):
        now = of_status.get(each.path)
        if now and now.status is Status.CONFLICT:
            changes[each.path] = replace(now, side=Side.NONE, old=each.old)
        elif now and now.status is Status.UNTRACKED and each.status is Status.DELETED:
            # The commit has it, and the index has not: git compares only what the index has
            changes[each.path] = replace(each, status=Status.MODIFIED, is_outside_index=True)
        else:
            changes[each.path] = each
    for each in listing.changes:
        if each.status is Status.UNTRACKED and each.path not in changes:
            changes[each.path] = replace(each, side=Side.NONE)
    ordered = sorted(changes.values(), key=lambda each: each.path)
    return replace(listing, changes=tuple(ordered), is_cut=listing.is_cut or diff.is_cut)


def _without_unchanged(git: Git, listing: Listing) -> Listing:
    """Without the files outside of the index that are as the commit has them."""
    asked = [each for each in listing.changes if each.is_outside_index][:_MOST_HASHED]
    top = git.repository.top
    plain = [each for each in asked if not (top / os.fsdecode(each.path)).is_symlink()]
    if not plain:
        return listing
    try:
        names = [os.fsdecode(each.path) for each in plain]
        found = git.run("hash-object", "--", *names).content.decode("ascii").split()
    except GitFailed:  # one of them is gone meanwhile
        return listing
    same = {each.path for each, oid in zip(plain, found, strict=False) if each.old == oid}
    kept = tuple(each for each in listing.changes if each.path not in same)
    return replace(listing, changes=kept)


def _counted(change: Change, counts: Mapping[bytes, tuple[int | None, int | None]]) -> Change:
    found = counts.get(change.path)
    is_known = change.status not in (Status.CONFLICT, Status.UNTRACKED)
    if found is None or not is_known or change.is_outside_index:
        return change
    is_binary = found == (None, None)
    return replace(change, added=found[0], removed=found[1], is_binary=is_binary)


def _blob(oid: str) -> str:
    return oid if oid.strip("0") else ""


def _number(text: bytes) -> int | None:
    return int(text) if text.isdigit() else None


def _is_inside(path: bytes) -> bool:
    """Whether it is a path below the top: an index can contain any text."""
    return bool(path) and not path.startswith(b"/") and b".." not in path.split(b"/")
