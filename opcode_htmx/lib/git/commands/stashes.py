"""Stashes: put changes away, take them out again, and drop them so that they can come back."""

from __future__ import annotations

import re

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.commands import state
from opcode_htmx.lib.git.commands.state import StateChanged
from opcode_htmx.lib.git.discards import kept
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.integration import submodules
from opcode_htmx.lib.git.policy import READING, WRITING
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.late.patterns import late_pattern

MOST = 200
SECONDS = 120.0
_REF = "refs/stash"
_COMMIT = late_pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_DROPPED = late_pattern(r"\(([0-9a-f]{40,64})\)\s*\Z", re.ASCII)
"""What `stash drop` says at its end."""
_ATTEMPTS = 5
_NO_INDEX_OF_SUBMODULES = {"GIT_OPTIONAL_LOCKS": "0"}
"""A variable under which git that looks into them writes nothing, so that it runs no hook."""
_WHO = {"user.name": "opcode", "user.email": "opcode@localhost"}


@dataclass(frozen=True, slots=True)
class Stash:
    """A stash; `at` is the Unix time at which it was made."""

    number: int
    commit: str
    message: str
    at: float
    has_untracked: bool


def listed(git: Git) -> list[Stash]:
    """The stashes, the newest first. Raises GitFailed."""
    reading = git.under(READING)
    if not state.resolved(reading, _REF):
        return []
    layout = "%H%x00%P%x00%ct%x00%gs%x00"
    options = ("--no-show-signature", f"--max-count={MOST}", f"--format={layout}")
    output = reading.run("log", "--walk-reflogs", "--no-patch", *options, _REF, "--")
    parts = output.content.decode("utf-8", "replace").split("\0")
    rows = zip(*(iter(parts[: len(parts) // 4 * 4]),) * 4, strict=True)
    return [
        Stash(number, commit.strip(), message, float(at or 0), len(parents.split()) > 2)
        for number, (commit, parents, at, message) in enumerate(rows)
    ]


def push(git: Git, message: str = "") -> str:
    """Put all changes away, new files too; gives the stash, or an empty text if there was nothing.

    Raises GitFailed, RepositoryRefused.
    """
    before = state.resolved(git, _REF)
    named = ("--message", " ".join(message.split())[:300]) if message.strip() else ()
    options = ("--include-untracked", "--quiet")
    settings = {**submodules.silenced(git), **_identity(git)}
    git.run(
        *("stash", "push", *options, *named),
        settings=settings,
        variables=_NO_INDEX_OF_SUBMODULES,
        seconds=SECONDS,
    )
    after = state.resolved(git, _REF)
    return "" if after == before else after


def take(git: Git, commit: str, *, drop: bool) -> None:
    """Apply a stash, with what was staged in it staged again where that is possible.

    Then drop it. One with conflicts stays. Raises StateChanged, GitFailed.
    """
    _number(git, commit)
    settings = _identity(git)
    apply = ("stash", "apply", "--quiet")
    try:
        git.run(*apply, "--index", commit, settings=settings, seconds=SECONDS)
    except GitFailed as error:
        if "without --index" not in error.errors:
            raise
        git.run(*apply, commit, settings=settings, seconds=SECONDS)
    if drop:
        _drop(git, commit)


def discard(git: Git, commit: str) -> str:
    """Drop a stash; gives the id to bring it back by. Raises StateChanged, GitFailed."""
    number = _number(git, commit)
    message = listed(git)[number].message
    writing = git.under(WRITING)
    tree = writing.run("rev-parse", f"{commit}^{{tree}}").content.decode("ascii").strip()
    saved = kept.add(writing, "stash", message, tree, target=commit)
    _drop(writing, commit)
    return saved.id


def bring_back(git: Git, kept_id: str) -> None:
    """Put a dropped stash on top of the others. Raises StateChanged, GitFailed."""
    saved = kept.find(git, kept_id)
    if saved is None or saved.kind != "stash":
        raise StateChanged("This stash is not kept any more.")
    message = " ".join(saved.title.split())
    git.run("stash", "store", "--quiet", "--message", message, saved.target, settings=_WHO)
    kept.forget(git, saved)


def _drop(git: Git, commit: str) -> None:
    """Drop a stash, which git knows by its number only. Raises StateChanged, GitFailed.

    One that is made in a terminal meanwhile shifts the numbers: what was dropped is read, and put
    back if it is another one.
    """
    for _ in range(_ATTEMPTS):
        output = git.run("stash", "drop", f"stash@{{{_number(git, commit)}}}").content
        found = _DROPPED.search(output.decode("utf-8", "replace"))
        dropped = found[1] if found else commit
        if dropped == commit:
            return
        subject = git.run("log", "--max-count=1", "--no-show-signature", "--format=%s", dropped)
        message = subject.content.decode("utf-8", "replace").strip()
        git.run("stash", "store", "--quiet", "--message", message, dropped, settings=_WHO)
    raise StateChanged("The stashes are changing. This one was not dropped.")


def _number(git: Git, commit: str) -> int:
    """Where a stash is in the list now. Raises StateChanged."""
    found = listed(git) if _COMMIT.fullmatch(commit) else []
    number = next((each.number for each in found if each.commit == commit), None)
    if number is None:
        raise StateChanged("This stash is not there any more. Nothing was done.")
    return number


def _identity(git: Git) -> dict[str, str]:
    """A stash is a commit; where git does not know the person, it is by this app."""
    try:
        settings = {"user.useConfigOnly": "true"}
        git.under(READING).run("var", "GIT_COMMITTER_IDENT", settings=settings)
    except GitFailed as error:
        if error.status is None:
            raise
        return _WHO
    return {}
