"""The worktrees of a bare repository: make one, list them, see what would be lost, remove one.

Nothing that the repository names is run, as in worktrees.py; files of Git LFS stay pointers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import checkouts, worktrees
from opcode_htmx.lib.git import git as git_module
from opcode_htmx.lib.git.clones.bare import BareRepository, Unpublished
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.integration import submodules
from opcode_htmx.lib.git.policy import READING, WRITING
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import Repository, RepositoryRefused
from opcode_htmx.lib.git.worktrees import Worktree

SECONDS = 300.0
_MOST_STATUS = 8 * 1024 * 1024
_LISTED = 10


class WouldLose(Exception):
    """A worktree was not removed because of what would be lost; the text is git's."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What is in a worktree only."""

    changed: int = 0
    """Files that differ from the last commit."""
    untracked: int = 0
    paths: tuple[str, ...] = ()
    """The first of them, as text."""
    commits: Unpublished = Unpublished()
    """Of no branch at all: without a branch checked out."""
    worktrees: int = 0
    """Others that lie in its folder, such as copies for sessions."""

    submodules: int = 0
    """Those with work that is nowhere else."""

    def __bool__(self) -> bool:
        return bool(self.sentence)

    @property
    def sentence(self) -> str:
        """`2 changed files, 1 new file`; empty without a loss."""
        parts = (
            (self.changed, "changed file"),
            (self.untracked, "new file"),
            (self.commits.commits, "commit that no branch has"),
            (self.worktrees, "worktree in it"),
            (self.submodules, "submodule with work of its own"),
        )
        return ", ".join(f"{number:,} {_plural(number, noun)}" for number, noun in parts if number)


def add(
    bare: BareRepository, target: Path, branch: str, start: str, environment: Mapping[str, str]
) -> None:
    """Make a worktree at `target` on the new branch `branch`, which begins at a commit.

    Raises GitFailed, RepositoryRefused.
    """
    found = Repository(bare.path, bare.path, bare.path)
    overrides = {**git_module.overrides(found, environment), "core.logAllRefUpdates": "true"}
    run = partial(bare.run, policy=WRITING, settings=overrides)
    checkouts.add(run, target, ("--no-track", "-b", branch), (start,), environment, SECONDS)


def listed(bare: BareRepository) -> list[Worktree]:
    """The worktrees of a repository. Raises GitFailed."""
    output = bare.run("worktree", "list", "--porcelain", "-z").content
    return [each for each in worktrees.parse(output) if not each.is_bare]


def losses(worktree: Path, environment: Mapping[str, str]) -> Loss:
    """What removing a worktree would lose; its branch stays. Raises GitFailed, RepositoryRefused.

    Files that git ignores are not counted.
    """
    git = Git.at(worktree, environment, READING)
    if git is None:
        raise RepositoryRefused(f"{worktree} is no worktree.")
    status = git.run(
        "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal",
        "--ignore-submodules=dirty", most_bytes=_MOST_STATUS,
    )  # fmt: skip
    entries = [each for each in status.content.split(b"\0") if len(each) > 3]
    untracked = sum(each.startswith(b"??") for each in entries)
    common_dir, top = git.repository.common_dir, git.repository.top
    bare = BareRepository(common_dir, environment)
    inner = worktrees.inside(common_dir, top)
    paths = [each[3:].decode("utf-8", "replace") for each in entries]
    paths += [str(each.relative_to(top)) for each in inner]
    within = submodules.with_work(git)
    paths += within
    head = git.run("rev-parse", "HEAD").content.decode("ascii", "replace").strip()
    return Loss(
        changed=len(entries) - untracked,
        untracked=untracked,
        paths=tuple(paths[:_LISTED]),
        commits=bare.unpublished((head, "--not", "--branches")),
        worktrees=len(inner),
        submodules=len(within),
    )


def remove(
    bare: BareRepository, worktree: Path, environment: Mapping[str, str], *, force: bool = False
) -> None:
    """Remove a worktree. Its branch goes as well where the remote or another branch has it all.

    Raises WouldLose without `force`, GitFailed, RepositoryRefused.
    """
    found = next((each for each in listed(bare) if each.path == worktree), None)
    overrides = git_module.overrides(Repository(bare.path, bare.path, bare.path), environment)
    if not force:
        if inner := worktrees.inside(bare.path, worktree):
            raise WouldLose(f"There are worktrees in it: {', '.join(map(str, inner))}")
        if there := Git.at(worktree, environment, WRITING):  # git looks for changes in it
            overrides = {**overrides, **there.overrides}
    options = ("--force", "--force") if force else ()
    try:
        bare.run("worktree", "remove", *options, "--", str(worktree), policy=WRITING,
                 settings=overrides, seconds=SECONDS)  # fmt: skip
    except GitFailed as error:
        if not force and "--force" in error.errors:
            raise WouldLose(error.errors) from error
        raise
    if found and found.branch:
        _drop_branch(bare, f"refs/heads/{found.branch}")


def forgettable(bare: BareRepository) -> int:
    """How many worktrees have no folder any more. Raises GitFailed.

    Raises WouldLose where one of them is at commits that no branch has: its disk may come back.
    """
    gone = [each for each in listed(bare) if each.is_gone]
    heads = [each.commit for each in gone if not each.branch and each.commit.strip("0")]
    if heads and (lost := bare.unpublished((*heads, "--not", "--branches")).commits):
        raise WouldLose(
            f"A worktree whose folder is gone has {lost:,} "
            f"{_plural(lost, 'commit that no branch has')}. Its disk may only be unmounted."
        )
    return len(gone)


def prune(bare: BareRepository) -> None:
    """Forget worktrees whose folders are gone. Raises WouldLose, GitFailed."""
    forgettable(bare)
    bare.run("worktree", "prune", "--expire=now", policy=WRITING)


def _drop_branch(bare: BareRepository, name: str) -> None:
    """Delete a branch without commits of its own; HEAD's stays."""
    with contextlib.suppress(GitFailed):
        commit = bare.commit(name)
        others = [each for each in bare.refs("refs/heads/") if each != name]
        if commit is None or name == bare.head():
            return
        if not bare.unpublished((commit, *(f"^{other}" for other in others))).commits:
            bare.run("update-ref", "-d", name, commit, policy=WRITING)


def _plural(number: int, noun: str) -> str:
    first, _, rest = noun.partition(" ")
    if number == 1:
        return noun
    return f"{noun}s" if first in ("changed", "new") else f"{first}s {rest}"
