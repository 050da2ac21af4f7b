"""How the work in a copy stands: what is uncommitted, which commits are its own, its disk space."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gevent.pool import Pool

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import count
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.integration import submodules, work
from opcode_htmx.lib.git.integration.work import Commits, Uncommitted
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.sessions.worktrees.copies import AT_ONCE, Copy, made_at
from opcode_htmx.sessions.worktrees.service import SessionWorktrees

DISK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of the work in a copy; None where git could not say."""

    uncommitted: Uncommitted | None = None
    commits: Commits | None = None
    repositories: tuple[str, ...] | None = None
    """Those within the copy that have work which is nowhere else."""
    disk: int | None = None
    made_at: float | None = None
    problem: str = ""

    @property
    def loses_nothing(self) -> bool:
        """Whether a removal would lose nothing that git knows of."""
        known = self.uncommitted is not None and self.commits is not None
        return (
            known
            and not self.repositories
            and not (self.uncommitted and self.uncommitted.count)
            and not (self.commits and self.commits.ahead)
        )


def standing(service: SessionWorktrees, copy: Copy) -> Standing:
    """How the work in a copy stands, with the subjects of its commits. Raises nothing."""
    main = _git(service, copy.repository)
    return _standing(main, copy, _commits(main, _compared(copy), with_subjects=True))


def standings(service: SessionWorktrees, copies: Sequence[Copy]) -> list[Standing]:
    """The same of several, some at a time, without the subjects: with few starts of git."""
    mains = {each: _git(service, each) for each in {copy.repository for copy in copies}}
    pool = Pool(AT_ONCE)
    # Most copies of a repository that have no commits yet are at the same one
    compared = list(dict.fromkeys(map(_compared, copies)))
    differences = pool.map(lambda each: _commits(mains[each.repository], each), compared)
    commits = dict(zip(compared, differences, strict=True))
    found: list[Standing] = pool.map(
        lambda copy: _standing(mains[copy.repository], copy, commits[_compared(copy)]), copies
    )
    return found


class _Compared(NamedTuple):
    """What the commits of a copy follow from."""

    repository: str
    base: str
    tip: str


def _compared(copy: Copy) -> _Compared:
    base = f"refs/heads/{copy.base}" if copy.base else copy.base_commit
    return _Compared(copy.repository, base, copy.worktree.commit)


def _standing(main: Git | None, copy: Copy, commits: Commits | None) -> Standing:
    at = made_at(copy)
    if copy.worktree.prunable is not None:
        return Standing(Uncommitted(), commits, (), 0, at)
    folder = run_in_thread(look_through, copy.path, DISK_SECONDS)
    disk = folder.disk
    try:
        if main is None:
            return Standing(disk=disk, made_at=at, problem="Its repository cannot be read.")
        git = main.at_linked(copy.path)
        if git is None or git.repository.top != copy.path.resolve():
            return Standing(disk=disk, made_at=at, problem="It is no copy any more.")
        carried = copy.record.carried if copy.record else ()
        uncommitted = work.uncommitted(git).without(carried)
        # a submodule that is there has a `.git`
        within = submodules.with_work(git) if folder.may_have_repositories else ()
    except (GitFailed, RepositoryRefused) as error:
        return Standing(None, commits, None, disk, at, str(error))
    return Standing(uncommitted, commits, (*uncommitted.nested, *within), disk, at)


def repositories(git: Git) -> tuple[str, ...]:
    """The repositories within a working tree with work that is nowhere else. Raises GitFailed."""
    return (*work.uncommitted(git).nested, *submodules.with_work(git))


def _git(service: SessionWorktrees, repository: str) -> Git | None:
    try:
        return service.git(Path(repository))
    except (GitFailed, RepositoryRefused):
        return None


def _commits(
    git: Git | None, compared: _Compared, *, with_subjects: bool = False
) -> Commits | None:
    if not compared.base or git is None:
        return None
    try:
        return work.commits(git, compared.base, compared.tip, with_subjects=with_subjects)
    except (GitFailed, RepositoryRefused, ValueError, IndexError):
        return None


def words_of(standing: Standing) -> list[str]:
    """How the work of a copy stands, in a few short phrases."""
    found = list[str]()
    if standing.uncommitted is not None and standing.uncommitted.count:
        found.append(count(standing.uncommitted.count, "uncommitted file"))
    if standing.repositories:
        found.append("work in repositories within it")
    if standing.commits is not None and standing.commits.ahead:
        found.append(count(standing.commits.ahead, "commit"))
    if standing.commits is not None and standing.commits.behind:
        found.append(f"{standing.commits.behind} behind")
    return found or (["nothing to lose"] if standing.loses_nothing else ["not known"])


@dataclass(frozen=True, slots=True)
class Folder:
    """What is on the disk in a copy."""

    disk: int | None
    """Bytes; None if counting took too long."""
    may_have_repositories: bool
    """Whether a folder in it is a repository, as far as could be seen."""


def look_through(top: Path, seconds: float) -> Folder:
    """Count the bytes of a folder, and look for repositories in it. Called in a thread."""
    deadline, total, stack = time.monotonic() + seconds, 0, [str(top)]
    repositories = False
    while stack:
        if time.monotonic() > deadline:
            return Folder(None, may_have_repositories=True)
        folder = stack.pop()
        size, folders, found = _entries_of(folder, is_top=folder == str(top))
        total, repositories = total + size, repositories or found
        stack += folders
    return Folder(total, repositories)


def _entries_of(folder: str, *, is_top: bool) -> tuple[int, list[str], bool]:
    """The bytes of a folder's entries, its folders, and whether it may be or hold a repository."""
    size, folders, repositories = 0, list[str](), False
    try:
        with os.scandir(folder) as entries:
            for each in entries:
                repositories = repositories or (each.name == ".git" and not is_top)
                try:
                    size += each.stat(follow_symlinks=False).st_blocks * 512
                    if each.is_dir(follow_symlinks=False):
                        folders.append(each.path)
                except OSError:
                    repositories = True
    except OSError:
        repositories = True  # it cannot be seen
    return size, folders, repositories
