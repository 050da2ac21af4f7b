"""git worktrees: list those of a repository, make one on a branch of its own, remove one.

They run without the repository's hooks and filters, as the reading commands do: a repository that
nobody has trusted starts nothing. So files that a filter would fill in, such as those of Git LFS,
stay what the repository holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import checkouts, process, repository, revisions
from opcode_htmx.lib.git import git as git_module
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import WRITING, Policy
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import Repository, RepositoryRefused
from opcode_htmx.lib.git.revisions import BRANCHES, NoRepository
from opcode_htmx.lib.late.patterns import late_pattern

PLACE = Path(".claude") / "worktrees"
"""Where Claude puts its own worktrees, below the top of the repository."""
SECONDS = 120.0
_MOST_BYTES = 1024 * 1024
"""Of the log of a branch, and of the list of ignored files."""
_NAME = late_pattern(r"[a-z0-9][a-z0-9-]{0,60}", re.ASCII)
_MADE = late_pattern(rb"0+ ([0-9a-f]{40,64}) ")
"""The first entry of a branch's log: no commit before, and the one that it was made at."""
_IGNORED = f"/{PLACE.as_posix()}/"


@dataclass(frozen=True, slots=True)
class Worktree:
    """One line of `git worktree list`; the first of a repository is its main checkout."""

    path: Path
    commit: str = ""
    """Empty for a bare repository."""
    branch: str = ""
    """Without `refs/heads/`; empty if it is on none."""
    is_main: bool = False
    is_bare: bool = False
    locked: str | None = None
    """The reason, which may be empty; None: it is not locked."""
    prunable: str | None = None
    """Why git would drop it; None: it would not."""

    @property
    def is_gone(self) -> bool:
        """Whether its folder is not there any more."""
        return not (self.path / ".git").exists()


def main_git(git: Git, policy: Policy = WRITING) -> Git:
    """git for the repository itself, whatever worktree of it `git` is for. Raises as Git.at."""
    found = git.repository
    main = Repository(main_top(found), found.common_dir, found.common_dir)
    return Git.of(main, main.top, git.environment, policy)


def main_top(found: Repository) -> Path:
    """The folder of the main checkout; of a bare repository, that of the worktree."""
    return found.common_dir.parent if found.common_dir.name == ".git" else found.top


def project_of(folder: Path) -> Path:
    """The folder of the main checkout that one in a worktree stands for; itself for any other.

    Reads files, and starts no git.
    """
    try:
        found = repository.find(folder, lambda _: None)
        if found is None or found.git_dir == found.common_dir or found.common_dir.name != ".git":
            return folder
        return main_top(found) / folder.resolve().relative_to(found.top)
    except (RepositoryRefused, OSError):
        return folder


def listed(git: Git) -> list[Worktree]:
    """All worktrees of a repository, the main checkout first. Raises GitFailed."""
    return parse(git.run("worktree", "list", "--porcelain", "-z").content)


def parse(output: bytes) -> list[Worktree]:
    """What `git worktree list --porcelain -z` writes."""
    records = output.decode("utf-8", "surrogateescape").split("\0\0")
    found = [_worktree(record.split("\0"), not number) for number, record in enumerate(records)]
    return [each for each in found if each is not None]


def _worktree(lines: list[str], is_main: bool) -> Worktree | None:
    fields = dict(_field(line) for line in lines if line)
    if "worktree" not in fields:
        return None
    branch = fields.get("branch", "")
    return Worktree(
        Path(fields["worktree"]),
        fields.get("HEAD", ""),
        branch.removeprefix(BRANCHES) if branch.startswith(BRANCHES) else "",
        is_main,
        "bare" in fields,
        fields.get("locked"),
        fields.get("prunable"),
    )


def _field(line: str) -> tuple[str, str]:
    key, _, value = line.partition(" ")
    return key, value


def add(git: Git, target: Path, branch: str, commit: str) -> None:
    """Make a worktree at `target`, which does not exist, on a new branch at a commit.

    `git` is any of the repository's; `branch` and `commit` were checked. Raises GitFailed,
    RepositoryRefused, OSError.
    """
    main = main_git(git)
    if target.is_relative_to(main.repository.top / PLACE):
        for part in (main.repository.top / PLACE.parent, main.repository.top / PLACE):
            if part.is_symlink():
                raise RepositoryRefused(f"{part} is a link.")
        _ignore(main.repository.common_dir)
    # `remove` reads in the branch's log where it began
    run = partial(main.run, settings={"core.logAllRefUpdates": "true"})
    options = ("--no-track", "-b", branch)
    checkouts.add(run, target, options, (commit,), git.environment, SECONDS)


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
    git = at(folder, environment)
    target = main_top(git.repository) / PLACE / name
    if not target.exists():
        add(git, target, name, revisions.resolve(git, "").commit)
    below = target / folder.resolve().relative_to(git.repository.top)
    if not below.is_dir():
        remove(target, environment)
        raise NoRepository(f"{folder} is not in the last commit, so a worktree has not got it.")
    return below


def at(folder: Path, environment: Mapping[str, str], policy: Policy = WRITING) -> Git:
    """git for a folder. Raises NoRepository, RepositoryRefused, GitFailed."""
    git = Git.at(folder, environment, policy)
    if git is None:
        raise NoRepository(f"{folder} is in no git repository, so it has no worktrees.")
    return git


def remove(worktree: Path, environment: Mapping[str, str]) -> None:
    """Remove a worktree in which nothing was changed, and its branch if that has no commit.

    One with changes stays, and so does a branch with commits of its own. Raises nothing.
    """
    try:
        found = repository.find(worktree, lambda _: None)
        if found is None or found.top != worktree.resolve():
            return
        main = {"GIT_DIR": str(found.common_dir)}
        overrides = git_module.overrides(found, environment)
        branch, made_at = _begin(found)

        def run(*arguments: str) -> None:
            process.run(
                arguments, found.common_dir, environment, policy=WRITING, overrides=overrides,
                repository=main, seconds=SECONDS,
            )  # fmt: skip

        run("worktree", "remove", "--", str(found.top))
        if made_at:  # git deletes it only where it is still there
            run("update-ref", "-d", f"{BRANCHES}{branch}", made_at)
    except (GitFailed, RepositoryRefused, OSError):
        return


def known_in(common_dir: Path) -> Iterator[Path]:
    """The paths of the linked worktrees that a repository names, read without git."""
    try:
        entries = sorted((common_dir / "worktrees").iterdir())
    except OSError:
        return
    for entry in entries:
        try:
            text = repository.small_file(entry / "gitdir").rstrip("\r\n")
        except (OSError, RepositoryRefused):
            continue
        yield (entry / text).parent


def inside(common_dir: Path, folder: Path) -> list[Path]:
    """The linked worktrees that lie below a folder, and would go with it."""
    below = folder.resolve()
    places = (each.resolve() for each in known_in(common_dir) if each.exists())
    return [each for each in places if each != below and each.is_relative_to(below)]


def _begin(found: Repository) -> tuple[str, str]:
    """The name of a worktree's branch, and the commit that it was made at; empty if unknown.

    Only for a branch that `add` has made, whose log begins with its making.
    """
    try:
        head = repository.small_file(found.git_dir / "HEAD").strip()
        name = head.removeprefix(f"ref: {BRANCHES}")
        if name == head or ".." in name or name.startswith("/"):
            return "", ""
        log = found.common_dir / "logs" / "refs" / "heads" / name
        entry = _MADE.match(os.fsencode(repository.small_file(log, _MOST_BYTES)))
    except (OSError, RepositoryRefused):
        return "", ""
    return (name, entry[1].decode()) if entry else ("", "")


def _ignore(common_dir: Path) -> None:
    """Keep the worktrees out of `git status` of the main checkout, for this computer only."""
    path = common_dir / "info" / "exclude"
    try:
        before = repository.small_file(path, _MOST_BYTES)
    except FileNotFoundError:
        before = ""
    except (OSError, RepositoryRefused):  # a link, a pipe, or more than anybody has written
        return
    if _IGNORED in before.splitlines():
        return
    path.parent.mkdir(exist_ok=True)
    gap = "" if not before or before.endswith("\n") else "\n"
    with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{gap}{_IGNORED}\n")
