"""What the files are compared with: the last commit, the session's begin, or the other branch."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from opcode_htmx.features.changes.places import CannotCompare, Place
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.snapshots import tree

_TRUNKS = (
    "refs/remotes/origin/HEAD",
    "refs/heads/main",
    "refs/heads/master",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
)
"""Where a branch may have left from, the likeliest first."""
LATE = (
    "git has no state of these files from when the session began, so the list compares with a "
    "later one. What was changed before that may be missing."
)
FIRST_WITHIN = 60.0
"""Seconds from the begin of a session until its first checkpoint is complete, at most."""


class Base(StrEnum):
    SESSION = "session"
    COMMIT = "commit"
    BRANCH = "branch"


@dataclass(frozen=True, slots=True)
class Choice:
    """A base that was chosen."""

    base: Base
    commit: str = ""
    """The id of the commit to compare with; empty for the last one, with both of its sides."""
    branch: str = ""
    """The name of the branch that was left."""
    note: str = ""
    """What a person has to know of it."""
    is_late: bool = False
    """Whether it is younger than the session, which may have changed files before it."""


def offered(session_id: str) -> tuple[Base, ...]:
    """The bases on the pages of a session, or without one of a project; the default one first."""
    return tuple(Base) if session_id else (Base.COMMIT, Base.BRANCH)


def named(text: str, session_id: str) -> Base:
    """The base that an address names, or else the default one."""
    found = offered(session_id)
    return next((each for each in found if each == text), found[0])


def chosen(place: Place, base: Base, left: Callable[[str], str] = lambda _: "") -> Choice:
    """Find the commit to compare with. Raises CannotCompare.

    `left` returns the full name of the branch that a session's worktree was made from, if known.
    """
    if base is Base.SESSION:
        return _session_begin(place)
    if base is Base.BRANCH:
        return _branch_left(place, left(place.session_id))
    return Choice(base)


def _session_begin(place: Place) -> Choice:
    git, session_id = place.git, place.session_id
    if session_id:
        wanted = f"{tree.REFS}{session_id}"
        fields = "%(objecttype) %(objectname) %(committerdate:unix) %(refname)"
        found = _lines(git, "for-each-ref", "--count=1", f"--format={fields}", wanted)
        kind, commit, at, name = found[0].split(" ", 3) if found else ("", "", "", "")
        if kind == "commit":  # anything may have that name, and what is none of ours has no time
            last = place.began_at + FIRST_WITHIN
            # those from before the repository was made are kept elsewhere, and are counted, too
            is_first = name.endswith("/000001") and at.isdecimal() and float(at) <= last
            if is_first or not place.began_at:
                return Choice(Base.SESSION, commit)
            return Choice(Base.SESSION, commit, note=LATE, is_late=True)
    head = _head_at(git, int(place.began_at))
    if not head:
        return Choice(Base.SESSION, note="There was no commit yet when the session began.")
    if place.began_at and _is_later(git, head, int(place.began_at)):
        return Choice(Base.SESSION, head, note=LATE, is_late=True)
    return Choice(
        Base.SESSION,
        head,
        note="Compared with the last commit before the session began. What was changed before, "
        "and not committed, is in the list, too.",
    )


def _is_later(git: Git, head: str, moment: int) -> bool:
    """Whether `head`, which `_head_at` found for a Unix time, was not yet checked out then.

    git's log of HEAD that begins later gives its oldest commit, which may have any date: that of a
    clone is old, and that of a computer whose clock is wrong may be ahead. Without a log the date
    is all there is.
    """
    newest = ("rev-list", "--walk-reflogs", "--max-count=1")
    if _lines(git, *newest, f"--min-age={moment}", "HEAD", "--"):
        return False
    return bool(_lines(git, *newest, "HEAD", "--")) or _time_of(git, head) > moment


def _time_of(git: Git, commit: str) -> int:
    """When a commit was made, in Unix seconds; 0 if git does not say."""
    found = _lines(git, "rev-list", "--max-count=1", "--format=%ct", commit)
    return int(found[-1]) if found and found[-1].isdecimal() else 0


def _head_at(git: Git, moment: int) -> str:
    """The commit that was checked out at a Unix time, by git's log of it; the newest without one.

    Empty before the first commit.
    """
    # git reads a number of nine and more digits as a time, and a smaller one as a place
    names = (f"HEAD@{{{moment}}}",) if moment > 100_000_000 else ()
    for name in (*names, "HEAD"):
        found = _lines(git, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if found:
            return found[0]
    return ""


def _branch_left(place: Place, left: str) -> Choice:
    git = place.git
    current = next(iter(_lines(git, "symbolic-ref", "--quiet", "HEAD")), "")
    found = dict(
        line.split(" ", 1)
        for line in _lines(git, "for-each-ref", "--format=%(refname) %(symref)", *_TRUNKS)
    )
    for name in filter(None, (left, *_TRUNKS)):
        if name not in found and name != left:
            continue
        branch = found.get(name) or name
        # A broken reference may lead to any text, such as an option
        if branch == current or not branch.startswith("refs/"):
            continue
        common = _lines(git, "merge-base", "HEAD", branch)
        if common:
            shown = branch.removeprefix("refs/heads/").removeprefix("refs/remotes/")
            return Choice(Base.BRANCH, common[0], shown)
    raise CannotCompare(
        "There is no other branch to compare with: neither main or master, nor one of origin."
    )


def _lines(git: Git, *arguments: str) -> list[str]:
    """The lines that git prints; none where it fails."""
    try:
        return git.run(*arguments).content.decode("utf-8", "replace").splitlines()
    except GitFailed:
        return []
