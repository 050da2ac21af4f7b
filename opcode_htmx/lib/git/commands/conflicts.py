"""Conflicts: resolve a file by one of its sides or as it is, go on with what had begun, or stop it.

Whatever replaces a file of the working tree keeps it for 7 days before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.commands import index_paths, state
from opcode_htmx.lib.git.commands.state import StateChanged
from opcode_htmx.lib.git.discards import files, working_files
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing.settings import LISTING, listed
from opcode_htmx.lib.git.policy import LITERAL
from opcode_htmx.lib.git.porcelain import Entry
from opcode_htmx.lib.git.process import GitFailed

SECONDS = 600.0
Choice = Literal["ours", "theirs", "as-it-is"]
_STAGES = {"ours": "2", "theirs": "3"}
_AUTOSTASHES = ("rebase-merge/autostash", "rebase-apply/autostash")
_OF_BRANCH = "includeif.onbranch:"
"""How the names of settings begin that another file has for a branch."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What the two sides of a conflict are called."""

    ours: str
    theirs: str


SIDES: Mapping[str, Sides] = {
    "merge": Sides("This branch", "The other branch"),
    "rebase": Sides("The branch below", "Your commit"),
    "cherry-pick": Sides("This branch", "The picked commit"),
    "revert": Sides("This branch", "Before that commit"),
    "": Sides("Here", "In the stash"),
}
"""By the operation that is under way."""


def resolve(git: Git, entry: Entry, choice: Choice) -> str:
    """Take one side of a file in conflict, or the file as it is; gives the id of what was replaced.

    The id is empty if nothing was. Raises StateChanged, CannotKeep, GitFailed, OSError.
    """
    path = entry.path
    top = git.repository.top
    shown = path.decode("utf-8", "replace")
    stages = _stages(git, path)
    if not stages:
        raise StateChanged(f"“{shown}” is in conflict no more. Nothing was done.")
    if choice == "as-it-is":
        index_paths.stage(git, [path])
        return ""
    if any(row.startswith(b"160000") for row in stages.values()):
        raise working_files.CannotKeep(
            f"“{shown}” is a repository of its own. Resolve it at the computer."
        )
    working_files.check_way(top, path)
    kept_id = ""
    if working_files.look(top, path).exists:
        kept_id = files.save(git, [path], f"Conflict in {shown}"[:200])
    side = stages.get(_STAGES[choice])
    row = side or b"0 %s\t%s" % (b"0" * 40, path)
    git.run("update-index", "-z", "--index-info", stdin=row + b"\0")
    if side is None:
        working_files.remove(top, path)
    else:
        git.run("checkout-index", "--force", "--index", "-z", "--stdin", stdin=path + b"\0")
    return kept_id


def abort(git: Git, operation: str) -> str:
    """Stop what has begun and go back to before; gives the id of the files as they are now.

    Raises StateChanged, CannotKeep, GitFailed, OSError.
    """
    found = _checked(git, operation)
    paths = [
        each.path
        for each in found.entries
        if each.unstaged != "?" and not (each.is_submodule or each.is_repository)
    ]
    kept_id = files.save(git, paths, f"Before the {operation} was stopped") if paths else ""
    git.run(operation, "--abort", seconds=SECONDS)
    return kept_id


def go_on(git: Git, operation: str, settings: Mapping[str, str] | None = None) -> str:
    """Go on once all conflicts are resolved; gives the new HEAD.

    The steps of a rebase may be commands, so a person has to have seen programs.of(…, "continue").
    Raises StateChanged, GitFailed.
    """
    found = _checked(git, operation)
    if found.conflicts:
        raise StateChanged("There are conflicts that are not resolved yet. Resolve them first.")
    if operation == "merge":
        git.run("commit", "--quiet", "--no-edit", settings=settings, seconds=SECONDS)
    else:
        git.run(operation, "--continue", settings=settings, seconds=SECONDS)
    return state.resolved(git, "HEAD")


def _checked(git: Git, operation: str) -> state.State:
    found = state.read(git)
    if not operation or found.operation != operation:
        raise StateChanged("That is not under way any more. Nothing was done.")
    if any(os.path.lexists(git.repository.git_dir / each) for each in _AUTOSTASHES):
        _check_branches(git)
    return found


def _check_branches(git: Git) -> None:
    """Raises GitFailed where a branch has settings of its own: no list of programs has these.

    At its end a rebase goes back to its branch, and has another git put back what was stashed.
    """
    settings = listed(git.under(LISTING))
    if any(each.of_repository and each.key.startswith(_OF_BRANCH) for each in settings):
        raise GitFailed(
            "This rebase will put stashed changes back on its branch, and this repository has "
            "settings for some branches only. Go on at the computer."
        )


def _stages(git: Git, path: bytes) -> dict[str, bytes]:
    """The index entries of a path in conflict by stage, each as a line for `--index-info`."""
    name = path.decode("utf-8", "surrogateescape")
    output = git.run("ls-files", "--unmerged", "-z", "--", name, variables=LITERAL)
    found = dict[str, bytes]()
    for row in output.content.split(b"\0")[:-1]:
        head, _, listed = row.partition(b"\t")
        mode, blob, stage = head.split(b" ")
        if listed == path:
            found[stage.decode("ascii")] = b"%s %s\t%s" % (mode, blob, path)
    return found
