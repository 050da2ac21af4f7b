"""A repository whose changes are read."""

from __future__ import annotations

import os
from dataclasses import dataclass

from opcode_htmx.lib.git.changes import file_diffs, reading
from opcode_htmx.lib.git.changes.model import Change, Listing
from opcode_htmx.lib.git.git import Git
from tests.security.projects.hostile_git import Trap
from tests.support.environment import SYSTEM_PATH


@dataclass(frozen=True)
class Repository(Trap):
    def read(self) -> Git:
        git = Git.at(self.folder, {"PATH": SYSTEM_PATH, "HOME": str(self.home)})
        assert git
        return git

    def listed(self, commit: str = "", inside: bytes = b"") -> Listing:
        return reading.listed(self.read(), commit, inside)

    def commit(self, message: str = "x") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def change(self, path: str, commit: str = "") -> Change:
        (found,) = (each for each in self.listed(commit).changes if os.fsdecode(each.path) == path)
        return found

    def texts(self, change: Change, commit: str = "") -> list[str]:
        found = file_diffs.read(self.read(), change, commit)
        return [
            line.raw.decode() for hunk in found.hunks for line in hunk.lines if line.kind != "ctx"
        ]
