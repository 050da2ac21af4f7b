"""A repository of a person's own, for sessions with checkpoints."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.environment import SYSTEM_PATH
from tests.support.plain_git import GIT


def git(folder: Path, *arguments: str) -> str:
    """What it prints."""
    environment = {"PATH": SYSTEM_PATH, "HOME": str(folder.parent), "EMAIL": "a@b.example"}
    who = {"GIT_AUTHOR_NAME": "A", "GIT_COMMITTER_NAME": "A"}
    return subprocess.run(
        [*GIT, *arguments],
        cwd=folder, env={**environment, **who}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def commit_first(folder: Path, name: str, content: str) -> None:
    """Make a repository of the folder, with one commit that has all that is there and this file."""
    git(folder, "init", "-q")
    (folder / name).write_text(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
