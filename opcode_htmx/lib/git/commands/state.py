"""The state of a working tree: its branch, what is staged and changed, and what is under way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import porcelain
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import READING, Policy
from opcode_htmx.lib.git.porcelain import Entry
from opcode_htmx.lib.git.process import GitFailed

Side = Literal["unstaged", "staged"]
MOST_BYTES = 32 * 1024 * 1024

_OPERATIONS = (
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
)


class NoRepository(Exception):
    """A folder is in no git repository; the text says so."""


class StateChanged(Exception):
    """Something is not as the person has seen it; the text says what."""


@dataclass(frozen=True, slots=True)
class State:
    """What `git status` says of a repository."""

    head: str
    """The commit; empty if there is none yet."""
    branch: str
    """Empty if HEAD is on no branch."""
    upstream: str
    """The name of the branch that it follows, such as `origin/main`; empty if there is none."""
    ahead: int | None
    """Commits that the upstream has not got; None where that is gone, or there is none."""
    behind: int | None
    entries: tuple[Entry, ...]
    is_cut: bool
    """Whether there are more entries than were read."""
    operation: str
    """What has begun and not ended: merge, rebase, cherry-pick, revert; empty for none."""

    @property
    def staged(self) -> tuple[Entry, ...]:
        return tuple(each for each in self.entries if each.staged and not each.is_conflict)

    @property
    def unstaged(self) -> tuple[Entry, ...]:
        return tuple(each for each in self.entries if each.unstaged and not each.is_conflict)

    @property
    def conflicts(self) -> tuple[Entry, ...]:
        return tuple(each for each in self.entries if each.is_conflict)


def at_top(folder: Path, environment: Mapping[str, str], policy: Policy = READING) -> Git:
    """git at the top of the repository of a folder. Raises NoRepository, GitFailed and
    RepositoryRefused."""
    git = Git.at(folder, environment, policy)
    if git is None:
        raise NoRepository(f"“{folder.name}” is in no git repository.")
    return git.at_top()


def read(git: Git) -> State:
    """The state now. Raises GitFailed."""
    reading = git.under(READING)
    options = ("--branch", "--find-renames")
    output = reading.run(*porcelain.STATUS, *options, most_bytes=MOST_BYTES)
    head, entries = porcelain.parse(output.content)
    return State(
        head.commit,
        head.branch,
        head.upstream,
        head.ahead,
        head.behind,
        tuple(entries),
        output.cut,
        operation(git),
    )


def operation(git: Git) -> str:
    """What has begun and not ended: merge, rebase, cherry-pick, revert; empty for none."""
    git_dir = git.repository.git_dir
    return next((verb for name, verb in _OPERATIONS if (git_dir / name).exists()), "")


def staged_digest(found: State) -> str:
    """Names what a commit would hold, and what it would follow."""
    digest = hashlib.sha256(f"{found.head} {found.branch} {found.operation}".encode())
    for each in found.staged:
        facts = f"\0{each.staged} {each.index_mode} {each.index_object} ".encode()
        digest.update(facts + each.path)
    return digest.hexdigest()[:32]


def resolved(git: Git, name: str) -> str:
    """The commit that a name of ours stands for; empty if there is none. Raises GitFailed."""
    try:
        found = git.run(
            "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}"
        )
    except GitFailed as error:
        if error.status is None:
            raise
        return ""
    return found.content.decode("ascii", "replace").strip()
