"""The state of the work in a worktree: what is uncommitted, and how far it is from its base."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined
from opcode_htmx.lib.git import porcelain
from opcode_htmx.lib.git.changes import file_diffs
from opcode_htmx.lib.git.git import Git

SECONDS = 10.0
MOST_COUNTED = 500
"""Untracked files whose lines are counted."""
MOST_BYTES = 2 * 1024 * 1024
"""Of a file whose lines are counted."""
MOST_SUBJECTS = 50


@dataclass(frozen=True, slots=True)
class Uncommitted:
    """The uncommitted paths of a working tree, as git names them from its top."""

    changed: tuple[str, ...] = ()
    """Of files that git knows, staged or not."""
    untracked: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    """Folders that are repositories of their own: git sees nothing in them."""
    conflicts: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.changed) + len(self.untracked) + len(self.nested) + len(self.conflicts)

    def without(self, paths: Sequence[str]) -> Uncommitted:
        """The same without untracked files at or below these paths."""
        if not paths:
            return self
        names, folders = set(paths), tuple(f"{each.rstrip('/')}/" for each in paths)
        kept = (e for e in self.untracked if e not in names and not e.startswith(folders))
        return replace(self, untracked=tuple(kept))


@dataclass(frozen=True, slots=True)
class Commits:
    """How a branch and its base differ."""

    ahead: int
    """Commits that the base has not got."""
    behind: int
    subjects: tuple[str, ...] = ()
    """The first lines of those ahead, the newest first; not more than MOST_SUBJECTS."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """The lines that were added to a file and removed from it; None: it is binary."""

    path: str
    added: int | None
    removed: int | None


def uncommitted(git: Git) -> Uncommitted:
    """What is not committed in the working tree of `git`. Raises GitFailed."""
    output = git.run(*porcelain.STATUS, seconds=SECONDS).content
    changed, untracked, nested, conflicts = list[str](), list[str](), list[str](), list[str]()
    for each in porcelain.parse(output)[1]:
        if each.is_conflict:
            found = conflicts
        elif each.unstaged == "?":
            found = nested if each.is_repository else untracked
        else:
            found = changed
        found.append(os.fsdecode(each.path))
        if each.unstaged == "R" and each.origin is not None:  # of a file that git is to know
            found.append(os.fsdecode(each.origin))
    return Uncommitted(tuple(changed), tuple(untracked), tuple(nested), tuple(conflicts))


def ignored(git: Git, most: int = 200) -> list[str]:
    """The ignored files, a folder of only such as one entry with a slash. Raises GitFailed."""
    output = git.run(
        "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory",
        seconds=SECONDS, most_bytes=1024 * 1024,
    ).content  # fmt: skip
    return [each for each in output.decode("utf-8", "surrogateescape").split("\0") if each][:most]


def commits(git: Git, base: str, tip: str, *, with_subjects: bool = True) -> Commits:
    """Compare two commits or full names of references. Raises GitFailed.

    Their subjects take a start of git more.
    """
    counts = git.run("rev-list", "--left-right", "--count", f"{base}...{tip}", "--").content.split()
    behind, ahead = int(counts[0]), int(counts[1])
    subjects: tuple[str, ...] = ()
    if ahead and with_subjects:
        log = git.run(
            "log", "-z", f"--max-count={MOST_SUBJECTS}", "--format=%s", "--no-show-signature",
            f"{base}..{tip}", "--",
        ).content  # fmt: skip
        subjects = tuple(each for each in log.decode("utf-8", "replace").split("\0") if each)
    return Commits(ahead, behind, subjects)


def changes_since(git: Git, commit: str) -> list[FileChange]:
    """What the working tree changes against a commit, untracked files too. Raises GitFailed."""
    output = git.run(
        "diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv",
        "--ignore-submodules=dirty", commit, "--", seconds=SECONDS,
    ).content  # fmt: skip
    found = parse_numstat(output)
    listing = git.run(
        "ls-files", "-z", "--others", "--exclude-standard", seconds=SECONDS
    ).content.decode("utf-8", "surrogateescape")
    names = [each for each in listing.split("\0") if each]
    counted = run_in_thread(_count, git.repository.top, names[:MOST_COUNTED])
    found += counted
    found += [FileChange(each, None, None) for each in names[MOST_COUNTED:]]
    return sorted(found, key=lambda each: each.path)


def parse_numstat(output: bytes) -> list[FileChange]:
    """The lines of `diff --numstat -z` without renames."""
    found = list[FileChange]()
    for line in output.decode("utf-8", "surrogateescape").split("\0"):
        added, tab, rest = line.partition("\t")
        removed, _, path = rest.partition("\t")
        if tab:
            found.append(FileChange(path, _number(added), _number(removed)))
    return found


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _count(top: Path, names: Sequence[str]) -> list[FileChange]:
    """The lines of files that git does not know; called in a thread."""
    return [FileChange(name, lines, 0) for name in names for lines in (_lines(top / name),)]


def _lines(path: Path) -> int | None:
    """The number of lines; None if it is not text, or cannot be read."""
    try:
        descriptor = os.open(path, confined.READ)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError):
        return None
    if b"\0" in content or len(content) > MOST_BYTES:
        return None
    return file_diffs.line_count(content)
