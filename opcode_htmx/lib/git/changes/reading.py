"""List the changed files of a working tree: since the last commit, or since any other one.

Everything is read under READING. Paths are bytes, relative to the top of the working tree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import gevent

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread, yielding
from opcode_htmx.lib.git import porcelain
from opcode_htmx.lib.git.changes import raw
from opcode_htmx.lib.git.changes.model import (
    LETTERS,
    MOST,
    Change,
    Listing,
    Side,
    Status,
    is_inside,
)
from opcode_htmx.lib.git.changes.raw import Diff
from opcode_htmx.lib.git.changes.since import index_since, since
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import LITERAL
from opcode_htmx.lib.git.porcelain import Entry
from opcode_htmx.lib.git.process import GitFailed, Output

MOST_COUNTED = 2000
"""With more changes no lines are counted: git would read every file twice."""
_MOST_NAMED = 50
"""Paths that git is given by their names, so that it looks at no other file."""
_SHORT = 32 * 1024
"""Bytes of a state that are parsed in a millisecond; a longer one takes a thread."""
_FILE_ONLY = {b"1 .M": Status.MODIFIED, b"1 .D": Status.DELETED, b"1 .T": Status.RETYPED}


def listed(git: Git, commit: str = "", inside: bytes = b"", expected: int = 0) -> Listing:
    """What has changed since the last commit, or since `commit`, the id of any commit.

    `inside` is a folder below the top: only what is in it is listed. `expected` is the likely
    number of changes, if it is known. Raises GitFailed.
    """
    git = git.at_top()
    paths = ("--", os.fsdecode(inside)) if inside else ()
    index = gevent.spawn(_attempt, index_since, git, commit, paths) if commit else None
    # Few changes are counted by their names, many are not: for others git starts at the same time
    early = _MOST_NAMED < expected <= MOST_COUNTED
    counts = {
        side: gevent.spawn(_attempt, raw.read, git, ("--numstat", *options), paths)
        for side, options in (_sides(commit) if early else {}).items()
    }
    try:
        listing = _state(git, inside, Side.NONE if commit else Side.UNSTAGED)
        if index is not None:  # a greenlet that has ended is false
            listing = since(git, commit, paths, listing, _result(index.get()))
        if len(listing.changes) > MOST_COUNTED:
            return replace(listing, is_counted=False)
        numbers = dict[Side, raw.Counts]()
        for side, options in _sides(commit).items():
            found = counts[side].get() if early else _count(git, listing, side, options, paths)
            numbers[side] = _counts(found)
    finally:
        gevent.killall([*counts.values(), *([] if index is None else [index])])
    return _with_counts(listing, numbers)


def _sides(commit: str) -> Mapping[Side, tuple[str, ...]]:
    """The sides of the changes, with the options of `git diff` for each."""
    if commit:
        return {Side.NONE: (commit,)}
    return {Side.UNSTAGED: (), Side.STAGED: ("--cached",)}


def _count(
    git: Git, listing: Listing, side: Side, options: tuple[str, ...], paths: tuple[str, ...]
) -> Diff | GitFailed:
    """The numbers of lines of the changes on a side."""
    counted = [each for each in listing.changes if each.side is side and _is_counted(each)]
    if not counted:
        return Diff()
    if len(counted) <= _MOST_NAMED:
        names = {n for each in counted for n in (each.old_path, each.path) if is_inside(n)}
        paths = ("--", *map(os.fsdecode, names))
    return _attempt(raw.read, git, ("--numstat", *options), paths)


def status(git: Git, inside: bytes = b"") -> Listing:
    """What has changed since the last commit, without the numbers of lines. Raises GitFailed."""
    return _state(git.at_top(), inside, Side.UNSTAGED)


def _state(git: Git, inside: bytes, side: Side) -> Listing:
    """The state of the working tree; without what is staged if the `side` is none."""
    paths = ("--", os.fsdecode(inside)) if inside else ()
    output = git.run(
        *(*porcelain.STATUS, "--branch", "--no-column", "--find-renames", *paths),
        variables=LITERAL,
    )
    if len(output.content) <= _SHORT:
        return _parsed(output, side)
    return run_cpu_in_thread(_parsed, output, side)


def _parsed(output: Output, side: Side) -> Listing:
    head, fields = porcelain.split(output.content)
    found: list[Change] = []
    for field in fields:
        if len(found) >= MOST:
            break
        if kind_of := _FILE_ONLY.get(field[:4]):
            # Most are of this kind, and take a third of the time so
            _, _, _, _, index_mode, file_mode, _, oid, path = field.split(b" ", 8)
            mode = index_mode if kind_of is Status.DELETED else file_mode
            found.append(Change(path, kind_of, side, b"", oid.decode("ascii"), "", mode))
        elif entry := porcelain.entry(field, fields):
            found += _of_entry(entry, side)
    return Listing(
        head.commit,
        head.branch,
        head.upstream,
        tuple([each for each in found if is_inside(each.path)]),
        output.cut or len(found) >= MOST,
    )


def _of_entry(entry: Entry, side: Side) -> Iterator[Change]:
    """The staged and the unstaged change of a path; the latter only if the `side` is none."""
    if entry.is_conflict:
        conflict_mode = entry.file_mode.encode()
        yield Change(entry.path, Status.CONFLICT, side, mode=conflict_mode)
        return
    if entry.unstaged == "?":
        yield Change(entry.path, Status.UNTRACKED, side)
        return
    head, index = entry.head_object, entry.index_object
    modes = entry.head_mode, entry.index_mode, entry.file_mode
    staged = "" if side is Side.NONE else entry.staged
    for of_side, letter, old, new, old_mode, new_mode in (
        (Side.STAGED, staged, head, index, modes[0], modes[1]),
        (side, entry.unstaged, index, "", modes[1], modes[2]),
    ):
        if not letter:
            continue
        kind_of = LETTERS.get(letter, Status.MODIFIED)
        moved = (entry.origin or b"") if kind_of in (Status.RENAMED, Status.COPIED) else b""
        mode = old_mode if kind_of is Status.DELETED else new_mode
        yield Change(entry.path, kind_of, of_side, moved, old, new, mode.encode())


def _attempt(read: Callable[..., Diff], *arguments: object) -> Diff | GitFailed:
    """gevent would print what a greenlet raises."""
    try:
        return read(*arguments)
    except GitFailed as error:
        return error


def _result(found: Diff | GitFailed) -> Diff:
    if isinstance(found, GitFailed):
        raise found
    return found


def _counts(found: Diff | GitFailed) -> raw.Counts:
    """None of them where git refuses: it cannot read a pipe in place of a file, and lists it."""
    if isinstance(found, GitFailed) and found.status is not None:
        return {}
    return _result(found).counts


def _is_counted(change: Change) -> bool:
    is_known = change.status not in (Status.CONFLICT, Status.UNTRACKED)
    return is_known and not change.is_outside_index


def _with_counts(listing: Listing, counts: Mapping[Side, raw.Counts]) -> Listing:
    def counted(change: Change) -> Change:
        found = counts[change.side].get(change.path)
        if found is None or not _is_counted(change):
            return change
        is_binary = found == (None, None)
        return replace(change, added=found[0], removed=found[1], is_binary=is_binary)

    return replace(listing, changes=tuple([counted(each) for each in yielding(listing.changes)]))
