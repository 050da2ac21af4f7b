"""What has changed since a commit, put together from what is known of the index and of the files.

`git diff COMMIT` compares the contents of all changed files, thousands of them for a second. The
state has compared them with the index already; so only the index is compared with the commit, and
git is asked for the few paths that have changed on both sides. Where that would not give exactly
what git says, git says it.
"""

from __future__ import annotations

import os
from collections.abc import Set
from dataclasses import replace
from operator import attrgetter

from opcode_htmx.lib.git.changes import raw
from opcode_htmx.lib.git.changes.model import Change, Listing, Status
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
    """The changes since a commit.

    `state` has those of the files against the index, with Side.NONE and untracked files; `index` is
    the result of index_since.

    `paths` are those of both, and begin with `--`, or are empty. Raises GitFailed.
    """
    diff = _joined(git, commit, state, index) or raw.read(git, (*_RAW, commit), paths)
    return _without_unchanged(git, _with_untracked(state, diff))


def _joined(git: Git, commit: str, state: Listing, index: Diff) -> Diff | None:
    """What `git diff COMMIT` would list; None where git has to be asked."""
    statuses = {each.status for each in state.changes}
    if Status.CONFLICT in statuses or state.is_cut or index.is_cut:
        return None
    files = {each.path: each for each in state.changes if each.status is not Status.UNTRACKED}
    both = [each for each in index.changes if each.path in files or each.old_path in files]
    if not _has_same_renames(statuses, index, both):
        return None
    asked = [os.fsdecode(each.path) for each in both if each.status is not Status.ADDED]
    if len(asked) > MOST_ASKED:
        return None
    found = raw.read(git, (*_RAW, commit), ("--", *asked)).changes if asked else []
    for each in both:
        file = files.pop(each.path)
        if each.status is Status.ADDED and file.status is not Status.DELETED:
            found.append(replace(each, new="", mode=file.mode))
    done = {each.path for each in both}
    found += [each for each in index.changes if each.path not in done]
    found += files.values()
    return Diff(found)


def _has_same_renames(of_files: Set[Status], index: Diff, both: list[Change]) -> bool:
    """Whether git would pair the same files if it compared the files themselves."""
    of_index = {each.status for each in index.changes}
    if not of_files.isdisjoint(_TARGETS):  # those that are intended to be added
        return False
    is_paired = not (of_index | of_files).isdisjoint(_SOURCES) and not of_index.isdisjoint(_TARGETS)
    is_touched = Status.DELETED in of_files or any(
        each.status in (*_SOURCES, *_TARGETS) for each in both
    )
    return not (is_paired and is_touched)


def _with_untracked(state: Listing, diff: Diff) -> Listing:
    """The changes since another commit: those of a diff, with the untracked files of the state."""
    kept = (Status.CONFLICT, Status.UNTRACKED)
    of_state = {each.path: each for each in state.changes if each.status in kept}
    changes = {each.path: each for each in diff.changes}
    for path, now in of_state.items():
        found = changes.get(path)
        if found is None:
            if now.status is Status.UNTRACKED:
                changes[path] = now
        elif now.status is Status.CONFLICT:
            changes[path] = replace(now, old=found.old)
        elif found.status is Status.DELETED:
            # The commit has it, and the index has not: git compares only what the index has
            changes[path] = replace(found, status=Status.MODIFIED, is_outside_index=True)
    ordered = sorted(changes.values(), key=attrgetter("path"))
    return replace(state, changes=tuple(ordered), is_cut=state.is_cut or diff.is_cut)


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
