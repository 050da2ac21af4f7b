"""Bring the commits of a branch into another one, or a branch up to date with it.

A merge is computed without a working tree. Only its result is written: into the reference of the
base and, where that is checked out, by a fast-forward, which git refuses if it would touch
uncommitted changes. No hook, filter or merge driver of the repository runs.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from opcode_htmx.lib.git import repository
from opcode_htmx.lib.git.commands import index_paths
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.integration import work
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.lib.git.worktrees import Worktree, main_git

SECONDS = 120.0
MOST_NAMED = 20
_BRANCH = "refs/heads/"
_IDENTITY = {"user.name": "opcode", "user.email": "opcode@localhost"}
"""Of commits where git knows nobody's name: without one it makes none."""


class Way(StrEnum):
    """How commits come into the base."""

    MERGE = "merge"
    """With a merge commit, even where the base has no commits of its own."""
    SQUASH = "squash"
    """As one commit."""
    FAST_FORWARD = "fast-forward"
    """As they are, without a further commit."""


class CannotMerge(Exception):
    """Nothing was changed; the text says why. `files` are the paths that it is about."""

    def __init__(self, text: str, files: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.files = tuple(files)


class NothingToMerge(CannotMerge):
    """The base has all of it already."""


def named(files: Sequence[str]) -> str:
    """The names of some files in a sentence."""
    more = len(files) - MOST_NAMED
    return ", ".join(files[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def commit_all(git: Git, message: str, without: Sequence[str] = ()) -> str:
    """Commit all that is uncommitted in a working tree, without hooks; the commit's id.

    `without` are untracked paths that are not committed. Raises CannotMerge, GitFailed.
    """
    found = work.uncommitted(git).without(without)
    if found.conflicts:
        raise CannotMerge(
            f"There are conflicts in {named(found.conflicts)}: solve them first.", found.conflicts
        )
    if found.nested:
        raise CannotMerge(
            f"{named(found.nested)} is a repository of its own, which cannot be committed here.",
            found.nested,
        )
    check_filters(git, [*found.changed, *found.untracked], "HEAD")
    if found.count:
        index_paths.stage(git, map(os.fsencode, (*found.changed, *found.untracked)))
        git.run(
            "commit", "--quiet", "--cleanup=whitespace", "--file=-",
            stdin=f"{message.strip()}\n".encode("utf-8", "replace"),
            settings=identity(git), seconds=SECONDS,
        )  # fmt: skip
    return git.run("rev-parse", "HEAD").content.decode("ascii", "replace").strip()


def merge(
    git: Git, base: str, branch: str, way: Way, message: str, worktrees: Sequence[Worktree]
) -> str:
    """Bring branch `branch` into branch `base`; the commit that `base` is at then.

    `worktrees` are all of the repository. Raises CannotMerge, and GitFailed: nothing was changed.
    """
    main = main_git(git)
    if base in _in_progress(main.repository.common_dir):
        raise CannotMerge(f"A rebase or bisect of “{base}” is in progress. Finish it first.")
    before, tip = _commit_of(main, base), _commit_of(main, branch)
    difference = work.commits(main, before, tip)
    if not difference.ahead:
        raise NothingToMerge(f"“{base}” has all commits of “{branch}” already.")
    if way is Way.FAST_FORWARD:
        if difference.behind:
            raise CannotMerge(
                f"“{base}” has got commits that “{branch}” has not, so it cannot be moved forward. "
                "Rebase first, or merge."
            )
        after = tip
    else:
        tree = _merged_tree(main, before, tip)
        if way is Way.SQUASH and tree == _tree_of(main, before):
            raise NothingToMerge(f"“{base}” has all changes of “{branch}” already.")
        after = _merged(main, tree, before, tip, way, message)
    checkout = next((each for each in worktrees if each.branch == base and not each.is_bare), None)
    if checkout is None or checkout.prunable is not None:
        main.run("update-ref", "-m", f"opcode: {way}", f"{_BRANCH}{base}", after, before)
        return after
    _forward(git, checkout, base, before, after)
    return after


def _in_progress(common_dir: Path) -> set[str]:
    """The branches that a checkout is rebasing or bisecting: it is on none meanwhile."""
    found = set[str]()
    for git_dir in (common_dir, *(common_dir / "worktrees").glob("*")):
        for name in ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"):
            with contextlib.suppress(OSError, RepositoryRefused):
                found.add(repository.small_file(git_dir / name).strip().removeprefix(_BRANCH))
    return found


def _merged_tree(git: Git, before: str, tip: str) -> str:
    """The tree of a merge. Raises CannotMerge where there are conflicts."""
    try:
        output = git.run(
            "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", before, tip,
            seconds=SECONDS,
        ).content  # fmt: skip
    except GitFailed as error:
        if error.status != 1:
            raise
        names = error.output.decode("utf-8", "surrogateescape").split("\0")[1:]
        files = list(dict.fromkeys(each for each in names if each))
        raise CannotMerge(
            f"Both sides have changed the same lines of {named(files)}. Nothing was changed. "
            "Rebase, or ask Claude in this copy to merge and solve the conflicts.",
            files,
        ) from None
    return output.split(b"\0")[0].decode("ascii", "replace").strip()


def _tree_of(git: Git, commit: str) -> str:
    output = git.run("rev-parse", "--verify", f"{commit}^{{tree}}")
    return output.content.decode("ascii", "replace").strip()


def _merged(git: Git, tree: str, before: str, tip: str, way: Way, message: str) -> str:
    """The commit of a merge, which nothing refers to yet."""
    parents = [before] if way is Way.SQUASH else [before, tip]
    return git.run(
        "commit-tree", tree, *(part for each in parents for part in ("-p", each)), "-F", "-",
        stdin=f"{message.strip()}\n".encode("utf-8", "replace"), settings=identity(git),
    ).content.decode("ascii", "replace").strip()  # fmt: skip


def _forward(git: Git, checkout: Worktree, base: str, before: str, after: str) -> None:
    """Move a branch that is checked out, with its files, where that loses nothing."""
    there = Git.at(checkout.path, git.environment, git.policy)
    if there is None or there.repository.top != checkout.path.resolve():
        raise CannotMerge(f"“{base}” is checked out in {checkout.path}, which cannot be opened.")
    paths = there.run(
        "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", before, after, "--"
    ).content.decode("utf-8", "surrogateescape")
    check_filters(there, [each for each in paths.split("\0") if each], after)
    if _commit_of(there, base) != before:
        raise CannotMerge(f"“{base}” has changed just now. Try again.")
    try:
        there.run(
            "merge", "--ff-only", "--no-overwrite-ignore", "--no-autostash", "--no-stat", "--quiet",
            after, seconds=SECONDS,
        )  # fmt: skip
    except GitFailed as error:
        files = [line.strip() for line in error.errors.splitlines() if line.startswith("\t")]
        if files:
            raise CannotMerge(
                f"The checkout of “{base}” in {checkout.path} has uncommitted changes that the "
                f"merge would touch: {named(files)}. Commit them or put them aside there first. "
                "Nothing was changed.",
                files,
            ) from None
        raise CannotMerge(
            f"git could not update the checkout of “{base}” in {checkout.path}: "
            f"{error.errors or error} Nothing was changed."
        ) from None


def rebase(git: Git, base: str, without: Sequence[str] = ()) -> None:
    """Rebase the branch that is checked out in a worktree onto branch `base`.

    `without` are untracked paths that may stay. Raises CannotMerge, and GitFailed: then all is as
    before.
    """
    found = work.uncommitted(git).without(without)
    if found.count:
        raise CannotMerge(
            "There are uncommitted changes in this copy. Commit them first.", found.changed
        )
    commit = _commit_of(git, base)
    paths = git.run(
        "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "HEAD", commit, "--"
    ).content.decode("utf-8", "surrogateescape")
    check_filters(git, [each for each in paths.split("\0") if each], commit)
    settings = {"rebase.autoStash": "false", "rebase.updateRefs": "false", **identity(git)}
    try:
        git.run("rebase", "--quiet", commit, settings=settings, seconds=SECONDS)
    except BaseException as error:
        conflicts: Sequence[str] = ()
        with contextlib.suppress(GitFailed):
            conflicts = work.uncommitted(git).conflicts
        with contextlib.suppress(GitFailed):
            git.run("rebase", "--abort", settings=settings, seconds=SECONDS)
        if isinstance(error, GitFailed) and conflicts:
            raise CannotMerge(
                f"Both sides have changed the same lines of {named(conflicts)}. The rebase was "
                "taken back, and nothing was changed.",
                conflicts,
            ) from None
        raise


def check_filters(git: Git, paths: Sequence[str], revision: str) -> None:
    """Refuse files that git would pass through a filter, which does not run here.

    `revision` has the attributes, beside the working tree. Raises CannotMerge, GitFailed.
    """
    if not paths or not any(key.startswith("filter.") for key in git.overrides):
        return
    names = "\0".join(paths).encode("utf-8", "surrogateescape") + b"\0"
    with tempfile.TemporaryDirectory() as folder:
        variables = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.run("read-tree", revision, variables=variables)
        there = git.run(
            "check-attr", "-z", "--cached", "--stdin", "filter", stdin=names, variables=variables
        ).content
    here = git.run("check-attr", "-z", "--stdin", "filter", stdin=names).content
    filtered = sorted({*_filtered(there), *_filtered(here)})
    if filtered:
        raise CannotMerge(
            f"git would pass {named(filtered)} through a filter of this repository, such as "
            "that of Git LFS, and no filter runs here. Do this at the computer.",
            filtered,
        )


def _filtered(output: bytes) -> list[str]:
    fields = output.decode("utf-8", "surrogateescape").split("\0")
    triples = zip(fields[::3], fields[2::3], strict=False)
    return [path for path, value in triples if value not in ("unspecified", "unset", "set", "")]


def identity(git: Git) -> dict[str, str]:
    """Settings with a name for commits, where git has none."""
    try:
        git.run("var", "GIT_COMMITTER_IDENT")
    except GitFailed:
        return _IDENTITY
    return {}


def _commit_of(git: Git, branch: str) -> str:
    """Raises CannotMerge where there is no such branch."""
    try:
        output = git.run("rev-parse", "--verify", "--quiet", f"{_BRANCH}{branch}^{{commit}}")
    except GitFailed:
        raise CannotMerge(f"There is no branch “{branch}” any more.") from None
    return output.content.decode("ascii", "replace").strip()
