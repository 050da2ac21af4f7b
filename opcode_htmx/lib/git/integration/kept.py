"""Remove a worktree and keep what was in it under a reference of ours, until that is dropped.

A snapshot is a commit with the files of the working tree, ignored ones left out. Its first parent
is the commit that was checked out, its second one, where there is one, has the index.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import checkouts
from opcode_htmx.lib.git.commands import index_paths
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.integration import merges, work
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.worktrees import SECONDS, Worktree, add, main_git
from opcode_htmx.lib.late.patterns import late_pattern

REFERENCES = "refs/opcode/discarded/"
_ID = late_pattern(r"[0-9a-f]{32}", re.ASCII)
_BRANCH = "refs/heads/"


class CannotRestore(Exception):
    """What was thrown away cannot be brought back; the text says why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a removed worktree."""

    tip: str
    """The commit that its branch was at, or that was checked out."""
    snapshot: str
    """The commit with its uncommitted work; empty if there was none."""
    branch: str
    """The branch that went with it; empty if none did."""


def discard(
    git: Git,
    worktree: Worktree,
    keep_id: str,
    *,
    with_branch: bool,
    note: Callable[[Kept], object] = lambda kept: None,
) -> Kept:
    """Remove a worktree with all that is in it, its branch too if `with_branch`.

    First what it holds is put under `refs/opcode/discarded/<keep_id>`, and `note` is called with
    it; git is any of the repository's. Raises GitFailed, CannotMerge, RepositoryRefused: then it
    is still there.
    """
    _check_id(keep_id)
    main = main_git(git)
    tip, snapshot = worktree.commit, ""
    if worktree.prunable is None:
        there = Git.at(worktree.path, git.environment, main.policy)
        if there is None or there.repository.top != worktree.path.resolve():
            raise GitFailed(f"{worktree.path} is no worktree any more.")
        tip = there.run("rev-parse", "HEAD").content.decode("ascii", "replace").strip()
        snapshot = take(there)
    main.run("update-ref", "--create-reflog", f"{REFERENCES}{keep_id}", snapshot or tip)
    is_gone = bool(with_branch and worktree.branch)
    kept = Kept(tip, snapshot, worktree.branch if is_gone else "")
    note(kept)
    if worktree.locked is not None:
        main.run("worktree", "unlock", "--", str(worktree.path))
    main.run("worktree", "remove", "--force", "--", str(worktree.path), seconds=SECONDS)
    if is_gone:
        # git deletes it only where it is still there
        main.run("update-ref", "-d", f"{_BRANCH}{worktree.branch}", tip)
    return kept


def take(git: Git) -> str:
    """A commit with the working tree as it is; empty if nothing is uncommitted. Raises GitFailed.

    The index and HEAD stay as they are.
    """
    found = work.uncommitted(git)
    if found.count == len(found.nested):
        return ""
    parents = ["HEAD"]
    settings = merges.identity(git)
    with contextlib.suppress(GitFailed):  # an index with conflicts has no tree
        parents.append(_commit(git, _tree(git, {}), ["HEAD"], "The index", settings))
    with tempfile.TemporaryDirectory() as folder:
        private = Path(folder) / "index"
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(git.repository.git_dir / "index", private)
        variables = {"GIT_INDEX_FILE": str(private)}
        # without those nested in it, which git would note by their commits only
        paths = map(os.fsencode, (*found.changed, *found.conflicts, *found.untracked))
        index_paths.stage(git, paths, variables=variables)
        return _commit(git, _tree(git, variables), parents, "Uncommitted work", settings)


def restore(git: Git, path: Path, kept: Kept, keep_id: str, branch: str) -> None:
    """Make a worktree again at `path`, on `branch`, with the uncommitted work that it had.

    `branch` is made where `kept` has one, and is checked out otherwise. Raises CannotRestore,
    GitFailed, RepositoryRefused, OSError.
    """
    _check_id(keep_id)
    main = main_git(git)
    if path.exists():
        raise CannotRestore(f"There is something at {path} by now. Move it away first.")
    try:
        main.run("cat-file", "-e", f"{kept.snapshot or kept.tip}^{{commit}}")
    except GitFailed:
        raise CannotRestore("What was kept is gone: git has cleaned it up.") from None
    if kept.branch and not _is_at(main, branch, kept.tip):
        add(main, path, branch, kept.tip)
    elif branch:
        checkouts.add(main.run, path, (), (branch,), git.environment, SECONDS)
    else:
        checkouts.add(main.run, path, ("--detach",), (kept.tip,), git.environment, SECONDS)
    if kept.snapshot:
        there = Git.at(path, git.environment, main.policy)
        if there is None:
            raise GitFailed(f"{path} could not be opened.")
        there.run("read-tree", "--reset", "-u", kept.snapshot, seconds=SECONDS)
        index = _second_parent(there, kept.snapshot) or kept.tip
        there.run("read-tree", "--reset", index)
        with contextlib.suppress(GitFailed):  # 1: there are changes
            there.run("update-index", "-q", "--refresh")
    forget(main, keep_id)


def forget(git: Git, keep_id: str) -> None:
    """Drop what is kept; git removes it later. Raises GitFailed."""
    _check_id(keep_id)
    main_git(git).run("update-ref", "-d", f"{REFERENCES}{keep_id}")


def _tree(git: Git, variables: dict[str, str]) -> str:
    output = git.run("write-tree", variables=variables, seconds=SECONDS)
    return output.content.decode("ascii", "replace").strip()


def _commit(git: Git, tree: str, parents: list[str], message: str, settings: dict[str, str]) -> str:
    named = (part for each in parents for part in ("-p", each))
    output = git.run("commit-tree", tree, *named, "-m", message, settings=settings)
    return output.content.decode("ascii", "replace").strip()


def _is_at(git: Git, branch: str, commit: str) -> bool:
    """Whether a branch is there at a commit: a crash came before it was removed."""
    name = f"{_BRANCH}{branch}"
    found = git.run("for-each-ref", "--format=%(objectname) %(refname)", name).content
    return f"{commit} {name}".encode("utf-8", "surrogateescape") in found.split(b"\n")


def _second_parent(git: Git, commit: str) -> str:
    try:
        output = git.run("rev-parse", "--verify", "--quiet", f"{commit}^2")
    except GitFailed:
        return ""
    return output.content.decode("ascii", "replace").strip()


def _check_id(keep_id: str) -> None:
    if not _ID.fullmatch(keep_id):
        raise ValueError(f"{keep_id!r} is no id")
