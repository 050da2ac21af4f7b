"""git in the repository of a folder, under a policy.

A repository chooses the names of its filters and hooks, so its configuration is listed first, and
each of them is overridden by name, unless the policy lets them run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import process, repository
from opcode_htmx.lib.git.login import Login
from opcode_htmx.lib.git.policy import READING, Policy
from opcode_htmx.lib.git.process import GitFailed, Output
from opcode_htmx.lib.git.repository import Repository, RepositoryRefused

_MOST_OVERRIDES = 200
_SETTINGS_SECONDS = 5.0
_PLAIN_MERGE = "git merge-file --quiet --marker-size=%L %A %O %B"
"""What git does by itself; without a driver it would refuse to merge these files."""
_OF_ONE_WORKTREE = ("includeif.", "extensions.worktreeconfig")
"""How the names of settings begin, as git lists them, by which worktrees may differ."""
_FILTER = {"clean": "", "smudge": "", "process": "", "required": "false"}


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git in a folder of a repository; made by `at` or `of`.

    Its settings are read once: make a new one for each request.
    """

    repository: Repository
    folder: Path
    """Where git starts; resolved, in the working tree or the working tree itself."""
    policy: Policy
    environment: Mapping[str, str]
    overrides: Mapping[str, str]
    shares_settings: bool = False
    """Whether the linked worktrees of the repository are known to have the same settings."""

    @classmethod
    def at(
        cls, folder: Path, environment: Mapping[str, str], policy: Policy = READING
    ) -> Git | None:
        """git in the repository that a folder belongs to; None if there is none.

        Raises GitFailed, and RepositoryRefused if the repository is not the folder's own.
        """
        found = repository.find(folder, lambda file: worktree_setting(file, environment))
        if found is None:
            return None
        return cls.of(found, folder.resolve(), environment, policy)

    @classmethod
    def of(
        cls, found: Repository, folder: Path, environment: Mapping[str, str], policy: Policy
    ) -> Git:
        """git in a repository that was found before. Raises as `at` does."""
        if not policy.runs_nothing:
            return cls(found, folder, policy, environment, {})
        keys = _keys(found, environment)
        return cls(found, folder, policy, environment, disabling(keys), _are_shared(keys))

    def under(self, policy: Policy) -> Git:
        """The same repository under a policy; for another one, its settings are read again.

        Raises as `at` does.
        """
        if policy is self.policy:
            return self
        return Git.of(self.repository, self.folder, self.environment, policy)

    def at_linked(self, folder: Path) -> Git | None:
        """git in another worktree of this repository, under the same policy; None if there is none.

        Its settings are read only if they may be others. Raises as `at` does.
        """
        found = repository.find(folder, lambda file: worktree_setting(file, self.environment))
        if found is None:
            return None
        if self.shares_settings and found.common_dir == self.repository.common_dir:
            return replace(self, repository=found, folder=folder.resolve())
        return Git.of(found, folder.resolve(), self.environment, self.policy)

    def at_top(self) -> Git:
        """The same in the top folder of the working tree."""
        return replace(self, folder=self.repository.top)

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        settings: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        login: Login | None = None,
        progress: Callable[[bytes], None] | None = None,
        seconds: float = process.SECONDS,
        most_bytes: int = process.MOST_BYTES,
    ) -> Output:
        """Run a command of git; see process.run. Raises GitFailed.

        `settings` are further configuration values, `variables` further environment variables;
        `login` is for the remote.
        """
        own = {**self.overrides, **(settings or {}), **(login.settings if login else {})}
        return process.run(
            arguments,
            self.folder,
            self.environment,
            policy=self.policy,
            overrides=own,
            repository={**self.repository.variables, **(variables or {})},
            stdin=stdin,
            secret=login.secret if login else b"",
            progress=progress,
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
    """Harmless values for this repository's filters and hooks, by the names it gave them.

    Raises GitFailed, RepositoryRefused.
    """
    return disabling(_keys(found, environment))


def _keys(found: Repository, environment: Mapping[str, str]) -> list[str]:
    """The names of the settings that hold in a working tree. Raises as `overrides` does."""
    listing = process.run(
        ["config", "--list", "--name-only", "-z"],
        found.top,
        environment,
        repository=found.variables,
        seconds=_SETTINGS_SECONDS,
    )
    if listing.cut:
        raise RepositoryRefused("The configuration of this repository is too long.")
    return listing.content.decode("utf-8", "surrogateescape").split("\0")


def _are_shared(keys: Sequence[str]) -> bool:
    """Whether no setting is for one worktree only, and none is included for a place or a branch.

    git lists the settings of included files with the others, so none is hidden in them.
    """
    return not any(key.startswith(_OF_ONE_WORKTREE) for key in keys)


def disabling(keys: Sequence[str]) -> dict[str, str]:
    """Harmless values for the filters and hooks with these settings. Raises RepositoryRefused."""
    found_settings = {key: value for each in keys for key, value in _disabling_settings(each)}
    if len(found_settings) > _MOST_OVERRIDES or any(
        "=" in key or "\n" in key for key in found_settings
    ):
        raise RepositoryRefused("This repository has settings that cannot be overridden.")
    return found_settings


def _disabling_settings(key: str) -> Iterator[tuple[str, str]]:
    section, _, rest = key.partition(".")
    name, has_name, _ = rest.rpartition(".")  # a name may be empty
    if section == "filter":
        yield from ((f"filter.{name}.{setting}", value) for setting, value in _FILTER.items())
    elif section == "hook" and has_name:
        yield f"hook.{name}.enabled", "false"
    elif section == "merge" and has_name:
        yield f"merge.{name}.driver", _PLAIN_MERGE
