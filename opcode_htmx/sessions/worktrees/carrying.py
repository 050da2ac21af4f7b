"""Copy untracked files of a checkout, such as `.env`, into a new worktree.

Nothing is written outside of the worktree, whatever links its commit holds, and nothing there is
replaced.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined
from opcode_htmx.lib.git.git import Git

MOST_FILES = 20_000
MOST_BYTES = 2 * 1024**3
LISTED = 500
SECONDS = 20.0
TOO_MUCH = "There was too much to carry over; the rest was left out."


class _TooLarge(Exception):
    """A file would exceed what is carried over."""


@dataclass(slots=True)
class Carried:
    """The paths that were copied, as the checkout names them, and what was left out."""

    paths: list[str] = field(default_factory=list)
    files: int = 0
    size: int = 0
    problem: str = ""


def carry(source: Git, target: Path, patterns: Sequence[str]) -> Carried:
    """Copy what matches into the worktree at `target`. Raises GitFailed."""
    if not patterns:
        return Carried()
    output = source.run(
        "ls-files", "-z", "--others", "--directory", "--no-empty-directory", seconds=SECONDS
    ).content  # fmt: skip
    entries = [each for each in output.decode("utf-8", "surrogateescape").split("\0") if each]
    chosen = matching(entries, patterns)
    return run_in_thread(_copy_all, source.repository.top, target, chosen)


def matching(entries: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The untracked entries to copy; a folder ends with a slash.

    A pattern without a slash is a name in any folder; one with a slash is a path from the top, and
    may lead into an untracked folder.
    """
    found = dict[str, None]()
    plain = [each.strip("/") for each in patterns]
    by_name = [each for each in plain if "/" not in each]
    by_path = [each for each in plain if "/" in each]
    for entry in entries:
        path = entry.rstrip("/")
        if not _is_own(path) and (
            _matches(path.rpartition("/")[2], by_name) or _matches(path, by_path)
        ):
            found[path] = None
        elif entry.endswith("/"):  # git names the folder only
            below = (each for each in by_path if each.startswith(entry))
            found |= dict.fromkeys(each for each in below if not _is_own(each))
    return list(found)


def _matches(text: str, patterns: Sequence[str]) -> bool:
    """Whether a whole text matches one of them; upper and lower case differ."""
    return any(fnmatch.fnmatchcase(text, each) for each in patterns)


def _is_own(path: str) -> bool:
    """Whether it is where worktrees are, or holds that place."""
    return f"{path}/".startswith(".claude/worktrees/") or path == ".claude"


def _copy_all(source: Path, target: Path, paths: Sequence[str]) -> Carried:
    """Called in a thread. Carried files are always listed: a commit of the copy leaves them out."""
    carried = Carried()
    for path in paths:
        if len(carried.paths) >= LISTED:
            carried.problem = TOO_MUCH
            break
        begun = carried.files
        for each in _files(source, path):
            if carried.files >= MOST_FILES or carried.size > MOST_BYTES:
                carried.problem = TOO_MUCH
                break
            try:
                carried.size += _copy(source, target, each, MOST_BYTES - carried.size)
                carried.files += 1
            except _TooLarge:
                carried.problem = TOO_MUCH
            except FileExistsError:
                continue
            except OSError as error:
                carried.problem = f"{each} could not be carried over: {error.strerror or error}."
        if carried.files > begun:
            carried.paths.append(path)
        if carried.files >= MOST_FILES:
            break
    return carried


def _files(source: Path, path: str) -> Iterator[str]:
    """The files and links at or below a path, relative to the source; links are not followed."""
    whole = source / path
    if whole.is_symlink() or not whole.is_dir():
        if whole.is_symlink() or whole.exists():
            yield path
        return
    for folder, folders, names in os.walk(whole):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in links and name != ".git")
        for name in sorted([*names, *links]):
            yield str((here / name).relative_to(source))


def _copy(source: Path, target: Path, path: str, most: int) -> int:
    """Copy one file or link; its size.

    Raises _TooLarge for more than `most` bytes, OSError, FileExistsError where it is there.
    """
    parent = (target / path).parent
    confined.make_folder(parent, target)
    folder = confined.open_folder(parent, target)
    name = Path(path).name
    try:
        original = source / path
        if original.is_symlink():
            os.symlink(original.readlink(), name, dir_fd=folder)
            return 0
        with confined.open_file(original, source) as file:
            status = os.fstat(file.fileno())
            if status.st_size > most:  # of which the disk may hold nothing but its length
                raise _TooLarge
            mode = stat.S_IMODE(status.st_mode) & 0o777
            made = os.open(name, confined.CREATE, mode, dir_fd=folder)
            with os.fdopen(made, "wb") as copy:
                shutil.copyfileobj(file, copy, 1024 * 1024)
                os.fchmod(copy.fileno(), mode)
            return status.st_size
    finally:
        os.close(folder)
