"""The commits and branches that a person names, and the names that new branches may have."""

from __future__ import annotations

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.process import GitFailed

LONGEST_NAME = 200
BRANCHES = "refs/heads/"
"""How the full names of branches begin."""


class NoRepository(Exception):
    """A folder is in no git repository, or in one that has no commit; the text says so."""


class BadRevision(Exception):
    """A branch or commit that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Start:
    """The commit that a worktree begins at, and the branch that it is to come back to."""

    commit: str
    branch: str
    """Empty if it is no branch of this repository."""


def resolve(git: Git, revision: str) -> Start:
    """The commit and branch that a person's words stand for; empty: what is checked out.

    Raises NoRepository, BadRevision, GitFailed.
    """
    if not revision:
        head = _commit(git, "HEAD")
        if not head:
            raise NoRepository("The repository has no commit yet, so it has no worktrees.")
        return Start(head, current_branch(git))
    if len(revision) > LONGEST_NAME or revision.startswith("-") or "\0" in revision:
        raise BadRevision("There is no branch or commit with this name.")
    if commit := _commit(git, f"{BRANCHES}{revision}"):
        return Start(commit, revision)
    commit = _commit(git, revision)
    if not commit:
        raise BadRevision("There is no branch or commit with this name.")
    return Start(commit, "")


def _commit(git: Git, revision: str) -> str:
    """The full id of a commit; empty if there is none."""
    wanted = f"{revision}^{{commit}}"
    try:
        output = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
    except GitFailed as error:
        if error.status == 1:
            return ""
        raise
    return output.content.decode("ascii", "replace").strip()


def current_branch(git: Git) -> str:
    """The branch that is checked out; empty if none is."""
    try:
        output = git.run("symbolic-ref", "--quiet", "HEAD").content
    except GitFailed as error:
        if error.status == 1:
            return ""
        raise
    name = output.decode("utf-8", "surrogateescape").strip()
    return name.removeprefix(BRANCHES) if name.startswith(BRANCHES) else ""


def branches(git: Git, most: int = 200) -> list[str]:
    """The names of the branches, the last changed first. Raises GitFailed."""
    output = git.run(
        "for-each-ref",
        f"--count={most}",
        "--sort=-committerdate",
        "--format=%(refname)",
        BRANCHES,
    ).content.decode("utf-8", "surrogateescape")
    return [line.removeprefix(BRANCHES) for line in output.splitlines()]


def check_branch(git: Git, name: str) -> None:
    """Raises BadRevision where a new branch cannot have this name, or there is one already."""
    is_short = 0 < len(name) <= LONGEST_NAME and "\0" not in name
    if not is_short or name.startswith("-") or name == "HEAD" or not _is_ref(git, name):
        raise BadRevision(f"“{name[:LONGEST_NAME]}” cannot be the name of a branch.")
    if _commit(git, f"{BRANCHES}{name}"):
        raise BadRevision(f"There is a branch “{name}” already.")


def _is_ref(git: Git, name: str) -> bool:
    try:
        git.run("check-ref-format", f"{BRANCHES}{name}")
    except GitFailed as error:
        if error.status is None:
            raise
        return False
    return True
