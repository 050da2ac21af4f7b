"""Git as a person would run it, for tests that make repositories."""

from __future__ import annotations

import shutil

from tests.support.environment import SYSTEM_PATH

GIT = (shutil.which("git", path=SYSTEM_PATH) or "git", "-c", "maintenance.auto=false")
"""The beginning of a command. A commit would take twice the CPU time if it looked for things to
tidy up in a repository that a test has just made."""
