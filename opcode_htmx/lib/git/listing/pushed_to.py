"""What runs in a folder of this computer that is pushed to, whatever the pushing git may run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.git import process
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing import hooks
from opcode_htmx.lib.git.listing.addresses import path_of
from opcode_htmx.lib.git.listing.program import OF_FOLDER, Program
from opcode_htmx.lib.git.listing.settings import LIST, LISTING, NO_PROGRAM, parsed
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.late.patterns import late_pattern

_HOOKS = (
    *("pre-receive", "reference-transaction", "update", "proc-receive", "post-receive"),
    *("post-update", "push-to-checkout", "post-index-change", "pre-auto-gc"),
)
_FILTERS = ("clean", "smudge", "process")
"""Of a folder whose files a push writes; git cleans them first, to see whether they changed."""
_PROGRAMS = frozenset({"core.alternaterefscommand", "core.fsmonitor"})
_HEAD = late_pattern(r"ref:[ \t\n\v\f\r]*refs/|[0-9A-Fa-f]{40}")
_HEAD_BYTES = 255
_MOST_BYTES = 64 * 1024
"""Of the path of another repository."""
_SUFFIXES = ("/.git", "", ".git/.git", ".git")
"""Where git looks for the repository of a path, in its order."""


def of(git: Git, url: str) -> Iterator[Program]:
    """The programs of the repository at an address that is a folder. Raises GitFailed."""
    git_dir = _git_dir(git, path_of(url))
    if git_dir is None:
        return  # the push fails
    variables = {"GIT_DIR": str(git_dir)}
    output = process.run(LIST, git_dir, git.environment, policy=LISTING, repository=variables)
    settings = list(parsed(output.content))
    folder, _ = hooks.folder_of(_common_dir(git_dir), git_dir, settings, git.environment)
    yield from hooks.in_folder(OF_FOLDER, folder, _HOOKS, of_repository=True)
    yield from hooks.configured(OF_FOLDER, _HOOKS, settings)
    writes = any(
        each.key == "receive.denycurrentbranch" and each.value.lower() == "updateinstead"
        for each in settings
    )
    for each in settings:
        is_filter = writes and each.parts[0] == "filter" and each.parts[2] in _FILTERS
        if is_filter or (each.key in _PROGRAMS and each.value.lower() not in NO_PROGRAM):
            yield Program(OF_FOLDER, each.key, each.value, each.of_repository)


def _git_dir(git: Git, path: str) -> Path | None:
    base = git.repository.top / hooks.expanded(path, git.environment)
    try:
        for suffix in _SUFFIXES:
            found = Path(f"{base}{suffix}")
            if found.is_file():
                return _named_in(found)
            if _is_repository(found):
                return found.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise GitFailed(f"The folder {base} cannot be looked through: {error}.") from None
    return None


def _is_repository(folder: Path) -> bool:
    """By git's own rule. Raises OSError, ValueError."""
    if not _is_head(folder / "HEAD"):
        return False
    # a linked worktree has the rest in the repository that it is of
    common_dir = _common_dir(folder)
    return all(os.access(common_dir / name, os.X_OK) for name in ("objects", "refs"))


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


def _common_dir(git_dir: Path) -> Path:
    file = git_dir / "commondir"
    return (git_dir / _text(file)).resolve() if file.is_file() else git_dir


def _text(file: Path) -> str:
    """A file's path of another one, without the line's end. Raises OSError, ValueError."""
    with file.open("rb") as opened:
        content = opened.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{file} is too large")
    return os.fsdecode(content).rstrip("\r\n")
