"""List the changed files of a working tree: since the last commit, or since any other one.

Everything is read under READING. Paths are bytes, relative to the top of the working tree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import gevent

from opcode_htmx.lib.concurrency.cooperative import yielding
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
from opcode_htmx.lib.git.process import GitFailed

MOST_COUNTED = 2000
"""With more changes no lines are counted: git would read every file twice."""


def listed(git: Git, commit: str = "", inside: bytes = b"") -> Listing:
    """What has changed since the last commit, or since `commit`, the id of any commit.

    `inside` is a folder below the top: only what is in it is listed. Raises GitFailed.
    """
    git = git.at_top()
    paths = ("--", os.fsdecode(inside)) if inside else ()
    sides = {Side.NONE: (commit,)} if commit else {Side.UNSTAGED: (), Side.STAGED: ("--cached",)}
    index = gevent.spawn(_attempt, index_since, git, commit, paths) if commit else None
    # At the same time, although many changes are not counted: most trees have few
    counting = {
        side: gevent.spawn(_attempt, raw.read, git, ("--numstat", *options), paths)
        for side, options in sides.items()
    }
    try:
        listing = status(git, inside)
        is_counted = len(listing.changes) <= MOST_COUNTED
        if not is_counted:
            gevent.killall(list(counting.values()))  # which ends git
        if index is not None:  # a greenlet that has ended is false
            listing = since(git, commit, paths, listing, _result(index.get()))
        if not is_counted or len(listing.changes) > MOST_COUNTED:
            return replace(listing, is_counted=False)
        counts = {side: _result(each.get()).counts for side, each in counting.items()}
    finally:
        gevent.killall([*counting.values(), *([] if index is None else [index])])
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
        tuple(each for each in changes if is_inside(each.path)),
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
        kind_of = LETTERS.get(letter, Status.MODIFIED)
        moved = (entry.origin or b"") if kind_of in (Status.RENAMED, Status.COPIED) else b""
        mode = old_mode if kind_of is Status.DELETED else new_mode
        yield Change(entry.path, kind_of, side, moved, old, new, mode.encode())


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


def _counted(change: Change, counts: Mapping[bytes, tuple[int | None, int | None]]) -> Change:
    found = counts.get(change.path)
    is_known = change.status not in (Status.CONFLICT, Status.UNTRACKED)
    if found is None or not is_known or change.is_outside_index:
        return change
    is_binary = found == (None, None)
    return replace(change, added=found[0], removed=found[1], is_binary=is_binary)
