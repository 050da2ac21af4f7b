"""The state of a working tree: its branch, what is staged and changed, and what is under way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import READING, Policy
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.reads import COMMANDS

Side = Literal["unstaged", "staged"]
LITERAL = {"GIT_LITERAL_PATHSPECS": "1"}
"""Paths are paths: `*` and `:` in them have no meaning."""
MOST_BYTES = 32 * 1024 * 1024
SUBMODULE = "160000"

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
class Entry:
    """A path that differs between HEAD, the index and the working tree.

    The letters are git's: M, T, A, D, R, C, U, or "?" for a file that git does not know.
    """

    path: bytes
    staged: str = ""
    """How the index differs from HEAD; empty if it does not."""
    unstaged: str = ""
    """How the working tree differs from the index; empty if it does not."""
    origin: bytes | None = None
    """Where a renamed or copied file was before."""
    is_conflict: bool = False
    is_submodule: bool = False
    index_mode: str = ""
    """Octal; empty for a file that is not in the index, and in a conflict."""
    index_object: str = ""
    """The name of its content in the index; empty for a new file, and in a conflict."""

    @property
    def is_repository(self) -> bool:
        """Whether it is a folder with a repository of its own, which git would not look into."""
        return self.path.endswith(b"/")


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
    return replace(git, folder=git.repository.top)


def read(git: Git) -> State:
    """The state now. Raises GitFailed."""
    reading = git if git.policy is READING else git.under(READING)
    output = reading.run(
        "status",
        *COMMANDS["status"],
        *("--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--find-renames"),
        most_bytes=MOST_BYTES,
    )
    fields = output.content.split(b"\0")[:-1]
    headers: dict[str, str] = {}
    entries: list[Entry] = []
    rest = iter(fields)
    for field in yielding(rest):
        if field.startswith(b"# "):
            key, _, value = field[2:].decode("utf-8", "replace").partition(" ")
            headers[key] = value
        elif entry := _entry(field, rest):
            entries.append(entry)
    head, branch = headers.get("branch.oid", ""), headers.get("branch.head", "")
    ahead, behind = _counts(headers.get("branch.ab", ""))
    return State(
        "" if head == "(initial)" else head,
        "" if branch == "(detached)" else branch,
        headers.get("branch.upstream", ""),
        ahead,
        behind,
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


def _entry(field: bytes, rest: Iterator[bytes]) -> Entry | None:
    kind = field[:2]
    if kind == b"? ":
        return Entry(field[2:], unstaged="?")
    if kind == b"1 ":
        _, xy, sub, _, mode, _, _, name, path = field.split(b" ", 8)
        return _changed(path, xy, sub, mode, name)
    if kind == b"2 ":
        _, xy, sub, _, mode, _, _, name, _, path = field.split(b" ", 9)
        return replace(_changed(path, xy, sub, mode, name), origin=next(rest, b""))
    if kind == b"u ":
        _, xy, sub, *_, path = field.split(b" ", 10)
        return Entry(path, "U", "U", is_conflict=True, is_submodule=sub[:1] == b"S")
    return None


def _changed(path: bytes, xy: bytes, sub: bytes, mode: bytes, name: bytes) -> Entry:
    x, y = (letter.replace(".", "") for letter in xy.decode("ascii", "replace"))
    return Entry(
        path,
        x,
        y,
        is_submodule=sub[:1] == b"S",
        index_mode="" if x == "D" else mode.decode("ascii", "replace"),
        index_object="" if x == "D" else name.decode("ascii", "replace"),
    )


def _counts(text: str) -> tuple[int | None, int | None]:
    """`+1 -2`, as git writes it; None where it does not."""
    ahead, _, behind = text.partition(" ")
    if not (ahead[1:].isdecimal() and behind[1:].isdecimal()):
        return None, None
    return int(ahead[1:]), int(behind[1:])
