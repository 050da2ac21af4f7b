"""How the work in a copy stands: what is uncommitted, which commits are its own, its disk space."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gevent.pool import Pool

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.git.integration import work
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
    disk: int | None = None
    made_at: float | None = None
    problem: str = ""

    @property
    def loses_nothing(self) -> bool:
        """Whether a removal would lose nothing that git knows of."""
        known = self.uncommitted is not None and self.commits is not None
        return (
            known
            and not (self.uncommitted and self.uncommitted.count)
            and not (self.commits and self.commits.ahead)
        )


def standing(service: SessionWorktrees, copy: Copy) -> Standing:
    """How the work in a copy stands. Raises nothing."""
    at = made_at(copy)
    if copy.worktree.prunable is not None:
        return Standing(Uncommitted(), _commits(service, copy), 0, at)
    disk = run_in_thread(disk_use, copy.path, DISK_SECONDS)
    try:
        git = service.git(copy.path)
        if git is None or git.repository.top != copy.path.resolve():
            return Standing(disk=disk, made_at=at, problem="It is no worktree any more.")
        carried = copy.record.carried if copy.record else ()
        uncommitted = work.uncommitted(git).without(carried)
    except (GitFailed, RepositoryRefused) as error:
        return Standing(None, _commits(service, copy), disk, at, str(error))
    return Standing(uncommitted, _commits(service, copy), disk, at)


def standings(service: SessionWorktrees, copies: Sequence[Copy]) -> list[Standing]:
    """The same of several, some at a time."""
    found: list[Standing] = Pool(AT_ONCE).map(lambda each: standing(service, each), copies)
    return found


def _commits(service: SessionWorktrees, copy: Copy) -> Commits | None:
    base = f"refs/heads/{copy.base}" if copy.base else copy.base_commit
    if not base:
        return None
    try:
        git = service.git(Path(copy.repository))
        return work.commits(git, base, copy.worktree.commit) if git else None
    except (GitFailed, RepositoryRefused, ValueError, IndexError):
        return None


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
