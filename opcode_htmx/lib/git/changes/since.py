"""What has changed since a commit, put together from what is known of the index and of the files.

`git diff COMMIT` compares the contents of all changed files, thousands of them for a second. The
state has compared them with the index already; so only the index is compared with the commit, and
git is asked for the few paths that have changed on both sides. Where that would not give exactly
what git says, git says it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.git.changes import raw
from opcode_htmx.lib.git.changes.model import Change, Listing, Side, Status
from opcode_htmx.lib.git.changes.raw import Diff
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.process import GitFailed

MOST_ASKED = 200
"""Paths that git is asked for by their names."""
_MOST_HASHED = 500
_RAW = ("--raw", "--no-abbrev")
_MOVING = (Status.RENAMED, Status.COPIED)
_SOURCES, _TARGETS = (Status.DELETED, *_MOVING), (Status.ADDED, *_MOVING)


def index_since(git: Git, commit: str, paths: tuple[str, ...]) -> Diff:
    """How the index differs from a commit. Raises GitFailed."""
    return raw.read(git, (*_RAW, "--cached", commit), paths)


def since(git: Git, commit: str, paths: tuple[str, ...], state: Listing, index: Diff) -> Listing:
    """The changes since a commit: `state` are those since the last one, `index` is index_since.

    `paths` are those of both, and begin with `--`, or are empty. Raises GitFailed.
    """
    diff = _joined(git, commit, state, index) or raw.read(git, (*_RAW, commit), paths)
    return _without_unchanged(git, _with_untracked(state, diff))


def _joined(git: Git, commit: str, state: Listing, index: Diff) -> Diff | None:
    """What `git diff COMMIT` would list; None where only git can tell."""
    files: dict[bytes, Change] = {}
    for each in yielding(state.changes):
        if each.status is Status.CONFLICT:
            return None
        if each.side is Side.UNSTAGED and each.status is not Status.UNTRACKED:
            files[each.path] = each
    both = [each for each in index.changes if each.path in files or each.old_path in files]
    if state.is_cut or index.is_cut or not _has_same_renames(files, index, both):
        return None
    asked = [os.fsdecode(each.path) for each in both if each.status is not Status.ADDED]
    if len(asked) > MOST_ASKED:
        return None
    found = raw.read(git, (*_RAW, commit), ("--", *asked)).changes if asked else []
    for each in both:
        file = files[each.path]
        if each.status is Status.ADDED and file.status is not Status.DELETED:
            found.append(replace(each, new="", mode=file.mode))
    done = {each.path for each in both}
    found += (each for each in yielding(index.changes) if each.path not in done)
    for path, each in yielding(files.items()):
        if path not in done:
            found.append(replace(each, side=Side.NONE))
    return Diff(found)


def _has_same_renames(files: Mapping[bytes, Change], index: Diff, both: list[Change]) -> bool:
    """Whether git would pair the same files if it compared the files themselves."""
    of_files = {each.status for each in files.values()}
    of_index = {each.status for each in index.changes}
    if not of_files.isdisjoint(_TARGETS):  # those that are intended to be added
        return False
    is_paired = not (of_index | of_files).isdisjoint(_SOURCES) and not of_index.isdisjoint(_TARGETS)
    is_touched = Status.DELETED in of_files or any(
        each.status in (*_SOURCES, *_TARGETS) for each in both
    )
    return not (is_paired and is_touched)


def _with_untracked(listing: Listing, diff: Diff) -> Listing:
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
