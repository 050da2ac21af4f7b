"""A repository for tests of commands: plain git beside the app's."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from opcode_htmx.lib.git.commands import state
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import WRITING, Policy
from tests.support.copies import fill
from tests.support.environment import SYSTEM_PATH
from tests.support.plain_git import GIT, configure


@dataclass(frozen=True)
class Repo:
    """A repository at `top`; its user's home is beside it."""

    top: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PATH": SYSTEM_PATH, "HOME": str(self.top.parent)}

    def plain(self, *arguments: str, check: bool = True, stdin: bytes = b"") -> bytes:
        """Plain git, as a person would run it there."""
        done = subprocess.run(
            [*GIT, *arguments],
            cwd=self.top,
            env=dict(self.environment),
            input=stdin,
            capture_output=True,
            check=check,
            timeout=30,
        )
        return done.stdout

    def set(self, key: str, value: str) -> None:
        """Add a setting; one that there is already stays beside it."""
        configure(self.top, key, value)

    def remote(self, url: str) -> None:
        """Add the remote `origin`."""
        self.set("remote.origin.url", url)
        self.set("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")

    def make(self) -> Repo:
        fill(self.top, _init)
        return self

    def write(self, name: str, content: bytes | str) -> Path:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def commit(self, message: str = "first") -> None:
        self.plain("add", "-A")
        self.plain("commit", "-qm", message, "--allow-empty")

    def head(self) -> str:
        """The name of the commit that is checked out."""
        return self.plain("rev-parse", "HEAD").decode().strip()

    def git(self, policy: Policy = WRITING) -> Git:
        return state.at_top(self.top, self.environment, policy)

    def state(self) -> state.State:
        return state.read(self.git())

    def staged(self, name: str) -> bytes:
        """The content of a file in the index."""
        return self.plain("cat-file", "blob", f":{name}")


def with_one_commit(top: Path, content: str = "") -> Repo:
    """A repository whose only commit has the file `a` if there is content for it."""
    fill(top, _one_commit(content))
    return Repo(top)


@functools.cache
def _one_commit(content: str) -> Callable[[Path], None]:
    def make(top: Path) -> None:
        repo = Repo(top).make()
        if content:
            repo.write("a", content)
        repo.commit()

    return make


def _init(top: Path) -> None:
    subprocess.run([*GIT, "init", "-q", "-b", "main"], cwd=top, check=True)
    with (top / ".git/config").open("a") as config:
        config.write("[user]\n\tname = A\n\temail = a@b.example\n")
