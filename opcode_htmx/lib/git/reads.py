"""The git commands that read a repository, with the options that keep them from running programs.

A repository chooses the names of its filters and hooks, so its configuration is listed first, and
each of them is overridden by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from opcode_htmx.lib.git import process, repository
from opcode_htmx.lib.git.process import GitFailed, Output
from opcode_htmx.lib.git.repository import Repository, RepositoryRefused

__all__ = ["GitFailed", "RepositoryRefused", "read"]

_DIFF = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "--no-color")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "ls-files": (),
    "rev-parse": (),
    "status": ("--ignore-submodules=dirty",),
    "diff": _DIFF,
    "log": (*_DIFF, "--no-show-signature"),
    "show": (*_DIFF, "--no-show-signature"),
}
"""The reading commands, each with the options that a repository's settings must not decide.
Submodules are not inspected: that would start git in them, under their own configuration."""

_MOST_OVERRIDES = 200
_SETTINGS_SECONDS = 5.0
_FILTER = {"clean": "", "smudge": "", "process": "", "required": "false"}


def read(
    folder: Path,
    command: str,
    *arguments: str,
    environment: Mapping[str, str],
    seconds: float = process.SECONDS,
    most_bytes: int = process.MOST_BYTES,
) -> Output | None:
    """Run one of COMMANDS in a folder; None if the folder is in no repository.

    Raises GitFailed, and RepositoryRefused if the repository is not the folder's own.
    """
    options = COMMANDS[command]
    found = repository.find(folder, lambda file: worktree_setting(file, environment))
    if found is None:
        return None
    return process.run(
        [command, *options, *arguments],
        folder,
        environment,
        overrides=overrides(found, environment),
        repository=found.variables,
        seconds=seconds,
        most_bytes=most_bytes,
    )


def worktree_setting(file: Path, environment: Mapping[str, str]) -> str | None:
    """`core.worktree` in a configuration file, without the files that it includes."""
    try:
        arguments = ["config", "--file", str(file), "--no-includes", "--get", "core.worktree"]
        found = process.run(arguments, Path("/"), environment, seconds=_SETTINGS_SECONDS)
        return found.content.decode().rstrip("\n")
    except (GitFailed, UnicodeDecodeError):
        return None


def overrides(found: Repository, environment: Mapping[str, str]) -> dict[str, str]:
    """Harmless values for this repository's filters and hooks, by the names it gave them."""
    listing = process.run(
        ["config", "--list", "--name-only", "-z"],
        found.top,
        environment,
        repository=found.variables,
        seconds=_SETTINGS_SECONDS,
    )
    if listing.cut:
        raise RepositoryRefused("The configuration of this repository is too long.")
    keys = listing.content.decode("utf-8", "surrogateescape").split("\0")
    found_settings = {key: value for each in keys for key, value in _disabling_settings(each)}
    if len(found_settings) > _MOST_OVERRIDES or any(
        "=" in key or "\n" in key for key in found_settings
    ):
        raise RepositoryRefused("This repository has settings that cannot be overridden.")
    return found_settings


def _disabling_settings(key: str) -> Iterator[tuple[str, str]]:
    section, _, rest = key.partition(".")
    name, _, _ = rest.rpartition(".")
    if section == "filter":
        yield from ((f"filter.{name}.{setting}", value) for setting, value in _FILTER.items())
    elif section == "hook" and name:
        yield f"hook.{name}.enabled", "false"
