"""Make a git worktree for work beside that of the person: the one writing command of git here.

It runs without the repository's hooks and filters, as the reading ones do: a repository that nobody
has trusted starts nothing. So files that a filter would fill in, such as those of Git LFS, stay
what the repository holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from opcode_htmx.lib.git import git, process, reads, repository
from opcode_htmx.lib.git.policy import WRITING
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused

PLACE = Path(".claude") / "worktrees"
"""Where Claude puts its own worktrees, below the top of the repository."""
SECONDS = 120.0
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}", re.ASCII)
_MADE = re.compile(rb"0+ ([0-9a-f]{40,64}) ")
"""The first entry of a branch's log: no commit before, and the one that it was made at."""
_IGNORED = f"/{PLACE.as_posix()}/"


class NoRepository(Exception):
    """A folder is in no git repository, or in one that has no commit; the text says so."""


def is_possible(folder: Path) -> bool:
    """Whether a folder seems to be in a git repository: a quick look, which reads no file of git's.

    Whether a worktree can be made is known when it is made.
    """
    try:
        places = (folder, *folder.parents) if folder.is_absolute() else ()
        return any((each / ".git").exists() for each in places)
    except (OSError, ValueError):  # a name that no file has
        return False


def make(folder: Path, name: str, environment: Mapping[str, str]) -> Path:
    """A new worktree of the folder's repository, on a new branch `name` at its HEAD.

    Gives the folder in it that corresponds to `folder`; one that was made before under this name is
    given again. Raises NoRepository, RepositoryRefused, GitFailed and OSError.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a worktree")
    found = repository.find(folder, lambda file: git.worktree_setting(file, environment))
    if found is None:
        raise NoRepository(f"{folder} is in no git repository, so it has no worktrees.")
    target = found.top / PLACE / name
    below = target / folder.resolve().relative_to(found.top)
    if not target.exists():
        _add(found, target, name, environment)
    if not below.is_dir():
        remove(target, environment)
        raise NoRepository(f"{folder} is not in the last commit, so a worktree has not got it.")
    return below


def _add(
    found: repository.Repository, target: Path, name: str, environment: Mapping[str, str]
) -> None:
    for part in (found.top / PLACE.parent, found.top / PLACE):
        if part.is_symlink():
            raise RepositoryRefused(f"{part} is a link.")
    # `remove` reads in the branch's log where it began
    overrides = {**git.overrides(found, environment), "core.logAllRefUpdates": "true"}

    def run(*arguments: str) -> None:
        process.run(
            arguments,
            found.top,
            environment,
            policy=WRITING,
            overrides=overrides,
            repository={"GIT_DIR": str(found.common_dir), "GIT_WORK_TREE": str(found.top)},
            seconds=SECONDS,
        )

    try:
        run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except GitFailed:
        raise NoRepository("The repository has no commit yet, so it has no worktrees.") from None
    head = reads.read(found.top, "rev-parse", "HEAD", environment=environment)
    commit = head.content.decode("ascii", "replace").strip() if head else "HEAD"
    _ignore(found.common_dir)
    run("worktree", "add", "--no-track", "-b", name, "--", str(target), commit)


def remove(worktree: Path, environment: Mapping[str, str]) -> None:
    """Remove a worktree in which nothing was changed, and its branch if that has no commit.

    One with changes stays, and so does a branch with commits of its own. Raises nothing.
    """
    try:
        found = repository.find(worktree, lambda _: None)
        if found is None or found.top != worktree.resolve():
            return
        main = {"GIT_DIR": str(found.common_dir)}
        overrides = git.overrides(found, environment)
        branch, made_at = _begin(found)

        def run(*arguments: str) -> None:
            process.run(
                arguments, found.common_dir, environment, policy=WRITING, overrides=overrides,
                repository=main, seconds=SECONDS,
            )  # fmt: skip

        run("worktree", "remove", "--", str(found.top))
        if made_at:  # git deletes it only where it is still there
            run("update-ref", "-d", f"refs/heads/{branch}", made_at)
    except (GitFailed, RepositoryRefused, OSError):
        return


def _begin(found: repository.Repository) -> tuple[str, str]:
    """The name of a worktree's branch, and the commit that it was made at; empty if unknown.

    Only for a branch that `make` has made: one with the name of its worktree.
    """
    name = found.top.name
    if not _NAME.fullmatch(name):
        return "", ""
    if (found.git_dir / "HEAD").read_bytes() != f"ref: refs/heads/{name}\n".encode():
        return "", ""
    try:
        with (found.common_dir / "logs" / "refs" / "heads" / name).open("rb") as file:
            entry = _MADE.match(file.readline(4096))
    except OSError:
        return "", ""
    return (name, entry[1].decode()) if entry else ("", "")


def _ignore(common_dir: Path) -> None:
    """Keep the worktrees out of `git status` of the main checkout, for this computer only."""
    path = common_dir / "info" / "exclude"
    if path.is_symlink():
        return
    before = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    if _IGNORED in before.splitlines():
        return
    path.parent.mkdir(exist_ok=True)
    gap = "" if not before or before.endswith("\n") else "\n"
    with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{gap}{_IGNORED}\n")
