"""Remotes: what they are, and fetch, pull and push, each to exactly what the person has seen.

They run under the policy RUNNING. No setting makes them do more, such as push submodules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

from opcode_htmx.lib import surrogates
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import count
from opcode_htmx.lib.git.commands import state
from opcode_htmx.lib.git.commands.branches import NoBranch
from opcode_htmx.lib.git.commands.state import StateChanged
from opcode_htmx.lib.git.commands.words import redacted
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing import addresses, helpers
from opcode_htmx.lib.git.login import Login, origin_of
from opcode_htmx.lib.git.policy import READING
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.late.patterns import late_pattern

SECONDS = 1800.0
MOST_COMMITS = 50
PullMode = Literal["ff-only", "merge", "rebase"]
Progress = Callable[[bytes], None]

WITHOUT_HOOKS: Mapping[str, str] = {"core.hooksPath": "/dev/null"}
_NAME = late_pattern(r"[A-Za-z0-9_][\w.@+/-]{0,100}", re.ASCII)
_GITHUB = late_pattern(
    r"(?:https://(?:[^/@\s]*@)?github\.com/|ssh://git@github\.com/|git@github\.com:)"
    r"([\w.-]{1,100})/([\w.-]{1,100}?)(?:\.git)?/?",
    re.ASCII,
)
_SETTINGS = {"pull.twohead": "ort", "rebase.autoStash": "false", "merge.autoStash": "false"}


class NoRemote(Exception):
    """There is no such remote; the text says so."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote; logins in its addresses are left out."""

    name: str
    fetch_url: str
    push_urls: tuple[str, ...]
    github: str
    """`owner/name` at github.com; empty for another one."""

    @property
    def pushes_here(self) -> bool:
        """Whether a push goes to a folder of this computer, too, and runs its hooks."""
        return any(map(addresses.is_folder, self.push_urls))

    @property
    def origins(self) -> frozenset[str]:
        """Where a login may be sent: the hosts of its addresses of HTTP, with scheme and port."""
        return frozenset(filter(None, map(origin_of, (self.fetch_url, *self.push_urls))))


@dataclass(frozen=True, slots=True)
class Commit:
    """A line of a list of commits; `at` is a Unix time."""

    id: str
    subject: str
    author: str
    at: float


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What a push would do; `lease` is the commit that the remote branch was last seen at."""

    remote: Remote
    branch: str
    commit: str
    target: str
    """The name of the branch at the remote."""
    lease: str
    """Empty for a branch that is not there yet, as far as is known."""
    new: tuple[Commit, ...]
    """What the remote branch would get, the newest first, and no more than MOST_COMMITS."""
    overwritten: tuple[Commit, ...]
    """What it would lose; if there is any, only a push that overwrites succeeds."""
    sets_upstream: bool


def listed(git: Git) -> list[Remote]:
    """The remotes with plain names. Raises GitFailed."""
    reading = git.under(READING)
    names = reading.run("remote").content.decode("utf-8", "replace").split("\n")
    return [_remote(reading, name) for name in names if _NAME.fullmatch(name)]


def find(git: Git, name: str) -> Remote:
    """Raises NoRemote, GitFailed."""
    for each in listed(git):
        if each.name == name:
            return each
    raise NoRemote(f"There is no remote “{name}”.")


def upstream(git: Git, branch: str) -> tuple[str, str, str]:
    """What a branch follows: the remote, the branch there, and our ref of it; empty for none."""
    reading = git.under(READING)
    layout = "%(upstream:remotename)%00%(upstream:remoteref)%00%(upstream)"
    output = reading.run("for-each-ref", f"--format={layout}", f"refs/heads/{branch}")
    parts = output.content.decode("utf-8", "replace").split("\n")[0].split("\0")
    if len(parts) != 3 or not parts[0] or parts[0] == ".":
        return "", "", ""
    return parts[0], parts[1].removeprefix("refs/heads/"), parts[2]


def commits(git: Git, since: str, until: str, most: int = MOST_COMMITS) -> tuple[Commit, ...]:
    """The commits of `until` that `since` has not got, both names of ours. Raises GitFailed."""
    reading = git.under(READING)
    layout = "%H%x00%s%x00%an%x00%ct%x00"
    options = ("--no-show-signature", "--no-patch", f"--max-count={most}", f"--format={layout}")
    limits = (until, *((f"^{since}",) if since else ("--not", "--remotes")))
    output = reading.run("log", *options, *limits, "--")
    parts = output.content.decode("utf-8", "replace").split("\0")
    rows = zip(*(iter(parts[: len(parts) // 4 * 4]),) * 4, strict=True)
    return tuple(
        Commit(commit.strip(), subject, author, float(at or 0))
        for commit, subject, author, at in rows
    )


def push_plan(git: Git, remote: str = "") -> PushPlan:
    """What a push of the current branch would do. Raises NoBranch, NoRemote, GitFailed."""
    branch = _branch(git)
    follows, target, _ = upstream(git, branch)
    known = listed(git)
    if not known:
        raise NoRemote("This repository has no remote to push to.")
    name = remote or follows or next((e.name for e in known if e.name == "origin"), known[0].name)
    found = find(git, name)
    if follows != name or not target:
        target = branch
    reading = git.under(READING)
    commit = state.resolved(reading, f"refs/heads/{branch}")
    if not commit:
        raise NoBranch("There is no commit yet, so there is nothing to push.")
    lease = state.resolved(reading, f"refs/remotes/{name}/{target}")
    overwritten = commits(reading, commit, lease) if lease else ()
    new = commits(reading, lease, commit)
    return PushPlan(found, branch, commit, target, lease, new, overwritten, follows != name)


def push(
    git: Git,
    plan: PushPlan,
    *,
    overwrite: bool,
    progress: Progress,
    settings: Mapping[str, str] | None = None,
    login: Login | None = None,
) -> str:
    """Push as planned; gives what git reported. Raises StateChanged, GitFailed.

    With `overwrite` the remote branch loses the commits of `plan.overwritten`, and no others.
    """
    now = push_plan(git, plan.remote.name)
    if (now.branch, now.commit, now.target, now.lease) != (
        plan.branch, plan.commit, plan.target, plan.lease,
    ):  # fmt: skip
        raise StateChanged("The branch has changed since you looked. Nothing was pushed.")
    target = f"refs/heads/{plan.target}"
    options = ["--porcelain", "--progress", "--no-recurse-submodules", "--no-signed"]
    options += ["--no-follow-tags", "--no-mirror"]
    if plan.sets_upstream:
        options.append("--set-upstream")
    if overwrite:
        options.append(f"--force-with-lease={target}:{plan.lease}")
    refs = f"refs/heads/{plan.branch}:{target}"
    to = addresses.of(git, plan.remote.name, pushes=True)
    output = git.run(
        *("push", *options, "--", plan.remote.name, refs),
        settings={**helpers.silenced(git, to), **(settings or {})},
        login=login,
        progress=progress,
        seconds=SECONDS,
    )
    return redacted(output.content.decode("utf-8", "replace"))


def fetch(
    git: Git,
    name: str,
    *,
    prune: bool = False,
    progress: Progress,
    settings: Mapping[str, str] | None = None,
    login: Login | None = None,
) -> None:
    """Get what a remote has. Raises NoRemote, GitFailed."""
    remote = find(git, name)
    options = ["--progress", "--no-recurse-submodules", "--no-auto-maintenance"]
    options += ["--prune", "--no-prune-tags"] if prune else ["--no-prune"]
    others = helpers.silenced(git, addresses.of(git, remote.name, pushes=False))
    git.run(
        *("fetch", *options, *_refs(git, remote.name)),
        settings={**others, **(settings or {})},
        login=login,
        progress=progress,
        seconds=SECONDS,
    )


def integrate(git: Git, mode: PullMode, settings: Mapping[str, str] | None = None) -> str:
    """Bring the current branch to what its upstream has; gives a sentence.

    Raises NoBranch, GitFailed, also for conflicts.
    """
    branch = _branch(git)
    remote, _, ref = upstream(git, branch)
    commit = state.resolved(git, ref) if ref else ""
    if not commit:
        raise NoBranch(f"“{branch}” follows no branch of a remote, so there is nothing to pull.")
    before = state.resolved(git, "HEAD")
    own = {**_SETTINGS, f"branch.{branch}.mergeOptions": "", **(settings or {})}
    if mode == "rebase":
        options = ("--merge", "--no-autostash", "--no-update-refs", "--no-fork-point", "--quiet")
        git.run("rebase", *options, commit, settings=own, seconds=SECONDS)
    else:
        message = f"Merge remote-tracking branch '{ref.removeprefix('refs/remotes/')}'"
        how = ("--ff-only",) if mode == "ff-only" else ("--ff", "--no-edit", "-m", message)
        git.run(
            *("merge", "--no-autostash", "--no-verify-signatures", "--quiet", *how, commit),
            settings=own,
            seconds=SECONDS,
        )
    after = state.resolved(git, "HEAD")
    if after == before:
        return f"“{branch}” has everything already."
    number = len(commits(git, before, after, 1000))
    return f"Pulled {count(number, 'commit')} into “{branch}”."


def _refs(git: Git, name: str) -> tuple[str, ...]:
    """The remote, and what to get of it: as its settings say if they fill only `refs/remotes/`.

    Others could write over the person's branches; a name alone could be a group of unseen remotes.
    """
    own = f"refs/remotes/{name}/"
    begin = ("--refmap=", "--", name)  # an empty map: nothing beside what is named here
    try:
        output = git.run("config", "--get-all", f"remote.{name}.fetch")
    except GitFailed as error:
        if error.status is None:
            raise
        lines = []
    else:
        lines = output.content.decode("utf-8", "replace").split("\n")[:-1]
    is_plain = bool(lines) and all(each.partition(":")[2].startswith(own) for each in lines)
    return (*begin, *(lines if is_plain else [f"+refs/heads/*:{own}*"]))


def _branch(git: Git) -> str:
    """The current branch. Raises NoBranch."""
    try:
        output = git.run("symbolic-ref", "--quiet", "HEAD")
    except GitFailed as error:
        if error.status is None:
            raise
        raise NoBranch("You are on no branch. Make one, or switch to one, first.") from None
    return output.content.decode("utf-8", "replace").strip().removeprefix("refs/heads/")


def _remote(reading: Git, name: str) -> Remote:
    fetched, pushed = (
        [surrogates.replaced(each) for each in addresses.of(reading, name, pushes=pushes)]
        for pushes in (False, True)
    )
    github = _GITHUB.fullmatch((pushed or fetched or [""])[0])
    return Remote(
        name,
        redacted((fetched or [""])[0]),
        tuple(redacted(each) for each in pushed),
        f"{github[1]}/{github[2]}" if github else "",
    )
