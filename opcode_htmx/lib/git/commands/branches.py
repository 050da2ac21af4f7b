"""Branches: list, make, switch to and delete them."""

from __future__ import annotations

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.commands import stashes, state
from opcode_htmx.lib.git.discards import kept
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import READING, WRITING
from opcode_htmx.lib.git.process import GitFailed

MOST = 500
SECONDS = 120.0
_LOCAL, _REMOTE = "refs/heads/", "refs/remotes/"


class InvalidName(Exception):
    """A name cannot be that of a branch; the text says so."""


class NoBranch(Exception):
    """There is no such branch; the text says so."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch, here or at a remote; `at` is the Unix time of its last commit."""

    name: str
    commit: str
    is_remote: bool
    is_current: bool
    upstream: str
    track: str
    """How it stands to its upstream, as git says it: `ahead 1, behind 2`, `gone`, or empty."""
    subject: str
    at: float
    worktree: str
    """Where another worktree has it checked out; empty if none has."""
    is_merged: bool
    """Whether HEAD has all of its commits."""


def listed(git: Git) -> tuple[list[Branch], bool]:
    """The branches, the last used first, and whether there are more. Raises GitFailed."""
    reading = git.under(READING)
    fields = (
        "refname", "objectname", "HEAD", "upstream:short", "upstream:track,nobracket",
        "worktreepath", "committerdate:unix", "contents:subject",
    )  # fmt: skip
    layout = "%00".join(f"%({field})" for field in fields)
    found: list[Branch] = []
    merged = _merged(reading)
    here = str(git.repository.top)
    for prefix in (_LOCAL, _REMOTE):
        output = reading.run(
            *("for-each-ref", "--sort=-committerdate", f"--count={MOST + 1}"),
            *(f"--format={layout}%00", prefix),
        )
        parts = output.content.decode("utf-8", "replace").split("\0")
        for row in zip(*(iter(parts[: len(parts) // 8 * 8]),) * 8, strict=True):
            ref, commit, head, upstream, track, worktree, at, subject = row
            name = ref.lstrip("\n").removeprefix(prefix)
            if prefix == _REMOTE and name.endswith("/HEAD"):
                continue
            found.append(
                Branch(
                    name, commit, prefix == _REMOTE, head == "*", upstream, track, subject,
                    float(at or 0), "" if worktree == here else worktree,
                    ref.lstrip("\n") in merged,
                )
            )  # fmt: skip
    local = [each for each in found if not each.is_remote]
    remote = [each for each in found if each.is_remote]
    return [*local[:MOST], *remote[:MOST]], max(len(local), len(remote)) > MOST


def checked_name(git: Git, name: str) -> str:
    """A name for a branch. Raises InvalidName, GitFailed."""
    text = name.strip()
    if not text:
        raise InvalidName("Type a name for the branch.")
    if len(text) > 200 or text.startswith("-") or text == "HEAD" or not text.isprintable():
        raise InvalidName("This cannot be the name of a branch.")
    try:
        # without --branch, which would read `@{-1}` as another one
        git.run("check-ref-format", f"{_LOCAL}{text}")
    except GitFailed as error:
        if error.status is None:
            raise
        raise InvalidName(
            f"“{text}” cannot be the name of a branch: use letters, digits, - and /, and no spaces."
        ) from None
    return text


def commit_of(git: Git, name: str, *, is_remote: bool = False) -> str:
    """The commit of a branch. Raises NoBranch, GitFailed."""
    ref = f"{_REMOTE if is_remote else _LOCAL}{name}"
    try:
        is_name = checked_name(git, name) == name  # and no expression such as `main~1`
    except InvalidName:
        is_name = False
    found = state.resolved(git, ref) if is_name else ""
    if not found:
        raise NoBranch(f"There is no branch “{name}” any more.")
    return found


def create(git: Git, name: str, start: str = "") -> str:
    """Make a branch at a branch of `listed`, by default at HEAD; gives its name.

    Raises InvalidName, NoBranch, GitFailed.
    """
    checked = checked_name(git, name)
    if start.startswith(_REMOTE):
        commit = commit_of(git, start.removeprefix(_REMOTE), is_remote=True)
    elif start:
        commit = commit_of(git, start.removeprefix(_LOCAL))
    else:
        commit = state.resolved(git, "HEAD")
        if not commit:
            raise NoBranch("There is no commit yet, so there is nothing for a branch to begin at.")
    git.run("branch", "--no-track", "--", checked, commit)
    return checked


def switch(git: Git, name: str, *, is_remote: bool = False, stash: bool = False) -> str:
    """Switch to a branch; gives its name.

    With `is_remote` a branch of that name is made that follows it. Changes come along, which git
    refuses where they would be overwritten; with `stash` they are put into a stash before, and
    stay there. Hooks and filters run if the policy of `git` lets them. Raises InvalidName,
    NoBranch, GitFailed.
    """
    commit_of(git, name, is_remote=is_remote)
    options = ["--no-guess", "--no-recurse-submodules", "--quiet"]
    if is_remote:
        local = checked_name(git, name.partition("/")[2])
        options += ["--create", local, "--track=direct", f"{_REMOTE}{name}"]
    else:
        local = name
    put_away = stashes.push(git, f"Before the switch to {local}") if stash else ""
    try:
        git.run("switch", *options, *(() if is_remote else (local,)), seconds=SECONDS)
    except GitFailed:
        if put_away:
            stashes.take(git, put_away, drop=True)
        raise
    return local


def delete(git: Git, name: str, commit: str) -> str:
    """Delete a branch whose commits are on HEAD or on its upstream; gives the id to bring it back.

    `commit` is the one that the person has seen. Raises NoBranch, StateChanged, GitFailed.
    """
    if commit_of(git, name) != commit:
        raise state.StateChanged(f"“{name}” has new commits. Nothing was deleted: look again.")
    writing = git.under(WRITING)
    tree = writing.run("rev-parse", f"{commit}^{{tree}}").content.decode("ascii").strip()
    saved = kept.add(writing, "branch", name, tree, target=commit)
    try:
        writing.run("branch", "--delete", "--quiet", "--", name)
    except GitFailed:
        kept.forget(writing, saved)
        raise
    return saved.id


def bring_back(git: Git, kept_id: str) -> str:
    """Make a deleted branch again; gives its name. Raises StateChanged, InvalidName, GitFailed."""
    saved = kept.find(git, kept_id)
    if saved is None or saved.kind != "branch":
        raise state.StateChanged("This branch is not kept any more.")
    name = checked_name(git, saved.title)
    git.run("update-ref", f"{_LOCAL}{name}", saved.target, "0" * len(saved.target))
    kept.forget(git, saved)
    return name


def _merged(reading: Git) -> frozenset[str]:
    if not state.resolved(reading, "HEAD"):
        return frozenset()
    output = reading.run("for-each-ref", "--format=%(refname)", "--merged=HEAD", _LOCAL)
    return frozenset(output.content.decode("utf-8", "replace").split("\n"))
