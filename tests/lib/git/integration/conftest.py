"""A repository with one worktree, made by real git."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from opcode_htmx.lib.git import worktrees
from opcode_htmx.lib.git.git import Git
from tests.support.copies import fill
from tests.support.environment import SYSTEM_PATH
from tests.support.plain_git import GIT


class Orchard:
    """The repository at `top`, and a worktree of it at `copy` on the branch `copy`."""

    def __init__(self, folder: Path) -> None:
        self.top = folder / "orchard"
        self.copy = self.top / worktrees.PLACE / "copy"
        self.environment = {"PATH": SYSTEM_PATH, "HOME": str(folder)}

    def make(self) -> None:
        self.top.mkdir()
        (self.top.parent / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n")
        self.run("init", "-q", "-b", "main")
        self.write(self.top / "apple", "1\n2\n3\n4\n5\n")
        self.write(self.top / "pear", "green\n")
        self.write(self.top / ".gitignore", "*.env\nbuild/\n")
        self.commit(self.top)
        assert worktrees.make(self.top, "copy", self.environment) == self.copy

    def run(self, *arguments: str, at: Path | None = None) -> str:
        return subprocess.run(
            [*GIT, *arguments],
            cwd=at or self.top,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, folder: Path, message: str = "x") -> None:
        self.run("add", "-A", at=folder)
        self.run("commit", "-qm", message, at=folder)

    def git(self, folder: Path | None = None) -> Git:
        return worktrees.at(folder or self.top, self.environment)

    def listed(self) -> list[worktrees.Worktree]:
        return worktrees.listed(self.git())

    def of_copy(self) -> worktrees.Worktree:
        return next(each for each in self.listed() if each.path == self.copy)

    def state(self, folder: Path) -> tuple[dict[str, bytes], str, str]:
        """The files, what git says of them, and the commit."""
        files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and ".git" not in path.parts and ".claude" not in path.parts
        }
        status = self.run("status", "--porcelain=v2", "--untracked-files=all", at=folder)
        return files, status, self.run("rev-parse", "HEAD", at=folder)


def replace_by_link(orchard: Orchard, *, is_staged: bool) -> None:
    """A committed folder `crate` of the copy is a link to the folder `shelf`, which has changes."""
    copy = orchard.copy
    for name in ("crate/plum", "crate/box/fig", "shelf/plum"):
        orchard.write(copy / name, "blue\n")
    orchard.commit(copy)
    shutil.rmtree(copy / "crate")
    (copy / "crate").symlink_to("shelf")
    if is_staged:
        orchard.run("add", "crate", at=copy)
    orchard.write(copy / "shelf/plum", "yellow\n")
    orchard.write(copy / "shelf/nut", "brown\n")


@pytest.fixture
def orchard(tmp_path: Path) -> Orchard:
    folder = tmp_path.resolve()
    fill(folder, _make)
    return Orchard(folder)


def _make(folder: Path) -> None:
    Orchard(folder).make()
