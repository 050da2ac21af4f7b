"""A bare repository: its branches and facts, read and set without running anything it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import process, repository
from opcode_htmx.lib.git.policy import READING, WRITING, Policy
from opcode_htmx.lib.git.process import GitFailed, Output

SECONDS = 60.0
PACK_SECONDS = 1800.0
MOST_LOOSE = 6700
"""The default of gc.auto."""
MOST_PACKS = 50
"""The default of gc.autoPackLimit."""
_MOST_REFS = 200_000
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Unpublished:
    """Commits that are in no branch of the remote: how many, and the newest subjects."""

    commits: int = 0
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Objects:
    """How the objects of a repository lie on the disk; `size` of the loose ones, in bytes."""

    loose: int
    packs: int
    size: int

    @property
    def are_scattered(self) -> bool:
        """Whether git itself would pack them, by its own limits."""
        return self.loose > MOST_LOOSE or self.packs > MOST_PACKS


@dataclass(frozen=True, slots=True)
class BareRepository:
    """Runs git in a bare repository; made by `at`."""

    path: Path
    environment: Mapping[str, str]

    @classmethod
    def at(cls, path: Path, environment: Mapping[str, str]) -> BareRepository:
        """The repository that a folder is. Raises RepositoryRefused."""
        return cls(repository.bare(path).git_dir, environment)

    def run(
        self,
        *arguments: str,
        policy: Policy = READING,
        stdin: bytes = b"",
        settings: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
        most_bytes: int = process.MOST_BYTES,
    ) -> Output:
        """Run a command of git. Raises GitFailed."""
        return process.run(
            arguments,
            self.path,
            self.environment,
            policy=policy,
            overrides=settings,
            repository={"GIT_DIR": str(self.path)},
            stdin=stdin,
            seconds=seconds,
            most_bytes=most_bytes,
        )

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Names of refs, below `prefixes` if there are any, and the objects that they name."""
        layout = "--format=%(objectname) %(refname)"
        found = self.run("for-each-ref", f"--count={_MOST_REFS}", layout, "--", *prefixes)
        # a name may contain what Python takes for an end of a line, such as U+2028
        lines = found.content.decode("utf-8", "surrogateescape").split("\n")[:-1]
        return {name: commit for commit, _, name in (line.partition(" ") for line in lines)}

    def set_refs(self, refs: Mapping[str, str]) -> None:
        """Set refs to objects; one without an object is deleted. Raises GitFailed."""
        deleted = [f"delete {name}\0\0" for name, commit in refs.items() if not commit]
        updated = [f"update {name}\0{commit}\0\0" for name, commit in refs.items() if commit]
        for commands in (deleted, updated):  # in this order: `a` may have become `a/b`
            if commands:
                text = "".join(commands).encode("utf-8", "surrogateescape")
                self.run("update-ref", "-z", "--stdin", policy=WRITING, stdin=text)

    def head(self) -> str:
        """The branch that HEAD names, such as `refs/heads/main`; empty if it names none."""
        try:
            found = self.run("symbolic-ref", "--quiet", "HEAD")
        except GitFailed:
            return ""
        return found.content.decode("utf-8", "surrogateescape").strip()

    def point_head_of_origin(self, name: str) -> None:
        """Remember the remote's own branch, if it is there."""
        if name in self.refs(name):
            self.run("symbolic-ref", "refs/remotes/origin/HEAD", name, policy=WRITING)

    def commit(self, name: str) -> str | None:
        """The commit that a full name, such as `refs/heads/main`, stands for."""
        try:
            found = self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        except GitFailed:
            return None
        return found.content.decode("ascii", "replace").strip()

    def unpublished(self, starts: Sequence[str] = ("--branches",)) -> Unpublished:
        """What the remote has not got of `starts`, by default of all local branches."""
        arguments = ("--not", "--remotes=origin", "--tags", "--")
        counted = self.run("rev-list", "--count", *starts, *arguments)
        number = int(counted.content.strip() or b"0")
        if not number:
            return Unpublished()
        shown = self.run("log", f"--max-count={_LISTED}", "--format=%s", *starts, *arguments)
        return Unpublished(number, tuple(shown.content.decode("utf-8", "replace").splitlines()))

    def stashes(self) -> int:
        """How many changes are put aside in `git stash`."""
        try:
            found = self.run("rev-list", "--walk-reflogs", "--count", "refs/stash", "--")
        except GitFailed:
            return 0
        return int(found.content.strip() or b"0")

    def objects(self) -> Objects:
        """Count its objects, without reading them. Raises GitFailed."""
        lines = self.run("count-objects", "-v").content.decode("ascii", "replace").splitlines()
        found = dict(line.split(": ", 1) for line in lines if ": " in line)
        loose, packs, size = (int(found.get(name, "0")) for name in ("count", "packs", "size"))
        return Objects(loose, packs, size * 1024)

    def pack_objects(self) -> None:
        """Pack them; those that nothing needs go once they are two weeks old. Raises GitFailed."""
        keys = self.run("config", "--list", "--name-only", "-z")
        if keys.cut or b"gc.recentobjectshook" in keys.content.split(b"\0"):
            raise GitFailed("The settings of this repository name a program for packing it.")
        self.run(
            *("gc", "--quiet", "--prune=2.weeks.ago"), policy=WRITING, seconds=PACK_SECONDS
        )  # fmt: skip
