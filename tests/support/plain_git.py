"""Git as a person would run it, for tests that make repositories."""

from __future__ import annotations

import shutil

from tests.support.environment import SYSTEM_PATH

_SETTINGS = ("maintenance.auto=false", "init.templateDir=")
GIT = (
    shutil.which("git", path=SYSTEM_PATH) or "git",
    *(word for setting in _SETTINGS for word in ("-c", setting)),
)
"""The beginning of a command. A commit would take twice the CPU time if it looked for things to
tidy up in a repository that a test has just made, and so would the making of one if git copied its
examples of hooks into it."""
