"""Git as a person would run it, for tests that make repositories."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.environment import SYSTEM_PATH

_SETTINGS = ("maintenance.auto=false", "init.templateDir=")
GIT = (
    shutil.which("git", path=SYSTEM_PATH) or "git",
    *(word for setting in _SETTINGS for word in ("-c", setting)),
)
"""The beginning of a command. A commit would take twice the CPU time if it looked for things to
tidy up in a repository that a test has just made, and so would the making of one if git copied its
examples of hooks into it."""


def configure(top: Path, key: str, value: str) -> None:
    """Add a setting to a repository, whose `.git` may be a file, without a process of git."""
    git_dir = top / ".git"
    if git_dir.is_file():
        git_dir = top / git_dir.read_text().removeprefix("gitdir: ").rstrip("\n")
    group, _, name = key.rpartition(".")
    section, _, subsection = group.partition(".")
    header = f"{section} {_quoted(subsection)}" if subsection else section
    with (git_dir / "config").open("a", encoding="utf-8") as config:
        config.write(f"[{header}]\n\t{name} = {_quoted(value)}\n")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
