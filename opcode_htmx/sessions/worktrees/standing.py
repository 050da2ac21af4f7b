"""How the work in a copy stands: what is uncommitted, which commits are its own, its disk space."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gevent.pool import Pool

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
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


def standing(service: SessionWorktrees, copy: Copy, main: Git | None = None) -> Standing:
    """How the work in a copy stands; `main` is git of its repository, if known. Raises nothing."""
    at = made_at(copy)
    commits = _commits(service, copy, main)
    if copy.worktree.prunable is not None:
        return Standing(Uncommitted(), commits, (), 0, at)
    disk = run_in_thread(disk_use, copy.path, DISK_SECONDS)
    try:
        git = service.git(copy.path)
        if git is None or git.repository.top != copy.path.resolve():
            return Standing(disk=disk, made_at=at, problem="It is no copy any more.")
        carried = copy.record.carried if copy.record else ()
        uncommitted = work.uncommitted(git).without(carried)
        within = _repositories(git, uncommitted)
    except (GitFailed, RepositoryRefused) as error:
        return Standing(None, commits, None, disk, at, str(error))
    return Standing(uncommitted, commits, within, disk, at)


def repositories(git: Git) -> tuple[str, ...]:
    """The repositories within a working tree with work that is nowhere else. Raises GitFailed."""
    return _repositories(git, work.uncommitted(git))


def _repositories(git: Git, found: Uncommitted) -> tuple[str, ...]:
    return (*found.nested, *submodules.with_work(git))


def standings(service: SessionWorktrees, copies: Sequence[Copy]) -> list[Standing]:
    """The same of several, some at a time."""
    mains = {each: _git(service, each) for each in {copy.repository for copy in copies}}

    def of(copy: Copy) -> Standing:
        return standing(service, copy, mains[copy.repository])

    found: list[Standing] = Pool(AT_ONCE).map(of, copies)
    return found


def _git(service: SessionWorktrees, repository: str) -> Git | None:
    try:
        return service.git(Path(repository))
    except (GitFailed, RepositoryRefused):
        return None


def _commits(service: SessionWorktrees, copy: Copy, main: Git | None) -> Commits | None:
    base = f"refs/heads/{copy.base}" if copy.base else copy.base_commit
    if not base:
        return None
    try:
        git = main or service.git(Path(copy.repository))
        return work.commits(git, base, copy.worktree.commit) if git else None
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


def disk_use(path: Path, seconds: float) -> int | None:
    """The bytes of a folder on the disk; None if counting takes too long. Called in a thread."""
    deadline, total, stack = time.monotonic() + seconds, 0, [str(path)]
    while stack:
        if time.monotonic() > deadline:
            return None
        try:
            with os.scandir(stack.pop()) as entries:
                for each in entries:
                    try:
                        total += each.stat(follow_symlinks=False).st_blocks * 512
                        if each.is_dir(follow_symlinks=False):
                            stack.append(each.path)
                    except OSError:
                        continue
        except OSError:
            continue
    return total
