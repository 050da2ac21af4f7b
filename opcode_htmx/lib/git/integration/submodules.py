"""The submodules of a working tree: those with work of their own, and what they would run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.git import process
from opcode_htmx.lib.git.git import Git, disabling
from opcode_htmx.lib.git.integration import work
from opcode_htmx.lib.git.listing.settings import LISTING, listed
from opcode_htmx.lib.git.policy import READING
from opcode_htmx.lib.git.process import GitFailed, Output
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.lib.late.patterns import late_pattern

SECONDS = 10.0
MOST = 100
"""Submodules that are looked into; any further one counts as one with work."""
MOST_SILENCED = 500
_LIST = ("ls-files", "-z", "--stage", ":(top)")
_MOST_LISTED = 256 * 1024 * 1024
_LINK = late_pattern(rb"(?:\A|\0)160000 [0-9a-f]+ [0-3]\t([^\0]+)")


def with_work(git: Git) -> list[str]:
    """The paths, from the top, of those with uncommitted files, or commits that no remote has.

    One that cannot be read is among them. Raises GitFailed.
    """
    top = git.repository.top
    there = [each for each in _listed(git) if os.path.lexists(top / each / ".git")]
    return [
        each
        for number, each in enumerate(there)
        if number >= MOST or _has_work(git, (top / each).resolve())
    ]


def silenced(git: Git) -> dict[str, str]:
    """Settings for a command that looks into all submodules, by git in each: it runs no filter.

    It writes nothing there, and so runs no hook (GIT_OPTIONAL_LOCKS=0). The only filter is that of
    the same name which the policy of `git` lets run in the repository itself. Raises GitFailed,
    RepositoryRefused.
    """
    found = {"core.fsmonitor": "false"}
    seen = 0
    waiting = [git.repository.top / each for each in _listed(git)]
    while waiting:
        folder = waiting.pop()
        if not os.path.lexists(folder / ".git"):
            continue
        seen += 1
        if seen > MOST_SILENCED:
            raise GitFailed("This repository has too many submodules.")
        # as git finds it there, whatever it is
        keys = process.run(("config", "--list", "--name-only", "-z"), folder, git.environment)
        if keys.cut:
            raise GitFailed(f"The settings of {folder} are too long to be looked through.")
        # a submodule's hooks and merge drivers do not run there, whatever their names
        names = os.fsdecode(keys.content).split("\0")
        found |= disabling([each for each in names if each.startswith("filter.")])
        output = process.run(_LIST, folder, git.environment, most_bytes=_MOST_LISTED)
        waiting += [folder / each for each in _links(output)]
    if git.policy.runs_nothing or not seen:
        return found if seen else {}
    own = {each.key: each.value for each in listed(git.under(LISTING))}
    return {key: own.get(key, value) for key, value in found.items()}


def _listed(git: Git) -> Iterator[str]:
    return _links(git.run(*_LIST, seconds=SECONDS, most_bytes=_MOST_LISTED))


def _links(output: Output) -> Iterator[str]:
    """The paths of submodules in a list of files. Raises GitFailed."""
    if output.cut:
        raise GitFailed("This repository has too many files.")
    yield from dict.fromkeys(os.fsdecode(each) for each in _LINK.findall(output.content))


def _has_work(git: Git, folder: Path) -> bool:
    if not folder.is_relative_to(git.repository.top):
        return False  # behind a link: it does not go with the folder
    try:
        # git of its own, and not `status` of all: there its settings and filters would apply
        inner = Git.at(folder, git.environment, READING)
        if inner is None or inner.repository.top != folder:
            return True
        # stashes are commits that no remote has; tags may have come from one
        options = ("--max-count=1", "--exclude=refs/tags/*", "--all", "HEAD", "--not", "--remotes")
        commits = inner.run("rev-list", *options, "--", seconds=SECONDS).content
        return bool(commits or work.uncommitted(inner).count or with_work(inner))
    except (GitFailed, RepositoryRefused):
        return True
