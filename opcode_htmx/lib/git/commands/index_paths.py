"""Put paths into the index as they are in the working tree, without a look into submodules."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.git.git import Git

SECONDS = 120.0
"""The longest that git may take for them."""


def stage(
    git: Git,
    paths: Iterable[bytes],
    settings: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Put paths, below the top folder, into the index, and take gone ones out. Raises GitFailed.

    `git add` would look into the submodules, by git in each, which runs the filters named there.
    """
    top, known = git.repository.top, dict[str, bool]()
    behind, others = list[bytes](), list[bytes]()
    for each in yielding(paths):
        (behind if _is_behind_link(top, os.fsdecode(each), known) else others).append(each)
    if behind:  # where their folder was replaced by a link; git refuses to look for them
        _update(git, ("--force-remove",), behind, settings, variables)
    if others:
        _update(git, ("--add", "--remove", "--replace"), others, settings, variables)


def _update(
    git: Git,
    options: Sequence[str],
    paths: Sequence[bytes],
    settings: Mapping[str, str] | None,
    variables: Mapping[str, str] | None,
) -> None:
    git.at_top().run(
        *("update-index", *options, "-z", "--stdin"),
        stdin=b"".join(each + b"\0" for each in paths),  # a command takes only so many arguments
        settings=settings,
        variables=variables,
        seconds=SECONDS,
    )


def _is_behind_link(top: Path, path: str, known: dict[str, bool]) -> bool:
    """Whether a folder of a path below `top` is a link; `known` are the folders seen before."""
    folder = ""
    for part in path.split("/")[:-1]:
        folder = f"{folder}/{part}" if folder else part
        if folder not in known:
            known[folder] = (top / folder).is_symlink()
        if known[folder]:
            return True
    return False
