"""Find repositories that a person does not work in, by git's own rules."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.late.patterns import late_pattern

MOST_FOLDERS = 50_000
"""Those that are looked through for repositories."""
_HEAD = late_pattern(r"ref:[ \t\n\v\f\r]*refs/|[0-9A-Fa-f]{40}")
_HEAD_BYTES = 255
_MOST_BYTES = 64 * 1024
"""Of the path of another repository."""
_SUFFIXES = ("/.git", "", ".git/.git", ".git")
"""Where git looks for the repository of a path, in its order."""
_WITHOUT = frozenset({"objects", "refs", "logs", "hooks", "info"})
"""Folders of a repository that hold no other one."""


def at(path: Path) -> Path | None:
    """The repository that git takes for a path; None if there is none. Raises GitFailed."""
    try:
        for suffix in _SUFFIXES:
            found = Path(f"{path}{suffix}")
            if found.is_file():
                return _named_in(found)
            if is_one(found):
                return found.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise GitFailed(f"The folder {path} cannot be looked through: {error}.") from None
    return None


def is_one(folder: Path) -> bool:
    """Whether a folder is a repository, by git's own rule. Raises OSError, ValueError."""
    if not _is_head(folder / "HEAD"):
        return False
    # a linked worktree has the rest in the repository that it is of
    common = common_dir(folder)
    return all(os.access(common / name, os.X_OK) for name in ("objects", "refs"))


def common_dir(git_dir: Path) -> Path:
    """Where a repository has its objects. Raises OSError, ValueError."""
    file = git_dir / "commondir"
    return (git_dir / _text(file)).resolve() if file.is_file() else git_dir


def checkouts(common: Path) -> Iterator[tuple[Path, Path]]:
    """The working trees of a repository: the folder where git has the state of each, and its top.

    Raises OSError, ValueError.
    """
    yield common, common.parent if common.name == ".git" else common
    linked = common / "worktrees"
    for each in sorted(linked.iterdir()) if linked.is_dir() else ():
        if (each / "gitdir").is_file():
            yield each, (each / _text(each / "gitdir")).parent


def below(*folders: Path) -> Iterator[tuple[Path, Path]]:
    """The repositories in folders, at any depth, each with the folder whose repository it is.

    That of another repository is the repository itself. Raises GitFailed, OSError, ValueError.
    """
    waiting, seen = list(folders), 0
    while waiting:
        folder = waiting.pop()
        seen += 1
        if seen > MOST_FOLDERS:
            raise GitFailed(f"{folders[0]} has too many folders to look for submodules in.")
        is_repository = is_one(folder)
        if is_repository:
            yield folder.resolve(), folder
        elif found := _of_folder(folder):
            yield found, folder
        try:
            entries = list(os.scandir(folder))
        except OSError:  # there is none, or git cannot look into it either
            continue
        for each in entries:
            path = Path(each.path)
            if each.is_symlink():  # git follows one in the place of a submodule, and no other
                if found := _of_folder(path):
                    yield found, path
                elif is_one(path):
                    waiting.append(path)
            elif each.is_dir() and not (is_repository and each.name in _WITHOUT):
                waiting.append(path)


def _of_folder(folder: Path) -> Path | None:
    """The repository of a folder itself; None if there is none, or git refuses it."""
    try:
        found = folder / ".git"
        if found.is_file():
            found = _named_in(found)
        return found.resolve() if is_one(found) else None
    except (OSError, ValueError, RuntimeError):
        return None


def _is_head(file: Path) -> bool:
    """Whether it names a branch, which may have no commits, or a commit."""
    if file.is_symlink():
        return str(file.readlink()).startswith("refs/")
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return _HEAD.match(opened.read(_HEAD_BYTES).decode("ascii", "replace")) is not None


def _named_in(file: Path) -> Path:
    """What a file `.git` names as its repository. Raises OSError, ValueError."""
    begin, label, name = _text(file).partition("gitdir: ")
    if begin or not label:
        raise ValueError(f"{file} names no repository")
    return (file.parent / name).resolve(strict=True)


def _text(file: Path) -> str:
    """A file's path of another one, without the line's end. Raises OSError, ValueError."""
    with file.open("rb") as opened:
        content = opened.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{file} is too large")
    return os.fsdecode(content).rstrip("\r\n")
