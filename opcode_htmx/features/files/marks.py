"""What git says about the entries of a folder: changed, new, ignored."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

import gevent

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import LITERAL
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.reads import COMMANDS
from opcode_htmx.lib.git.repository import RepositoryRefused

log = logging.getLogger(__name__)

SECONDS = 4.0
"""A page waits for no longer; without an answer it has no marks."""
MOST_BYTES = 4_000_000
MOST_TRACKED = 50
"""Ignored names that are looked up in git's index; of more of them none is tracked, as a rule."""

CHANGED, NEW, CONFLICT, INSIDE = "changed", "new", "conflict", "changes inside"


@dataclass(slots=True)
class Marks:
    """The marks of entries, by name; empty where there is no repository."""

    words: dict[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    is_git: bool = False
    are_all_new: bool = False
    """Whether git knows nothing of the folder."""

    def of(self, name: str) -> str:
        """A word or two; empty if there is nothing to say."""
        return NEW if self.are_all_new else self.words.get(name, "")


def marks_of(folder: Path, names: Sequence[str], environment: Mapping[str, str]) -> Marks:
    """The marks of some entries of a folder. Raises nothing: without git there are none."""
    found = Marks()
    try:
        git = Git.at(folder, environment)
        if git is None:
            return found
        found.is_git = True
        prefix = os.fsencode(git.folder.relative_to(git.repository.top))
        status = gevent.spawn(_read_status, git, b"" if prefix == b"." else prefix, found)
        found.ignored = _ignored(git, names)
        status.get()
    except (GitFailed, RepositoryRefused, OSError, ValueError) as error:
        log.info("the files of %s have no marks: %s", folder, error)
    return found


def _ignored(git: Git, names: Sequence[str]) -> frozenset[str]:
    """The names that a rule ignores, but for those that git tracks all the same.

    Without `--no-index` git would compare each name with each entry of its index.
    """
    if not names:
        return frozenset()
    asked = b"".join(b"./" + os.fsencode(name) + b"\0" for name in names)
    try:
        output = git.run(
            "check-ignore", "--no-index", "-z", "--stdin", stdin=asked, seconds=SECONDS
        )
    except GitFailed as error:
        if error.status == 1:  # none of them is ignored
            return frozenset()
        raise
    given = output.content.split(b"\0")
    found = frozenset(os.fsdecode(each.removeprefix(b"./")) for each in given if each)
    return found - _tracked(git, found) if len(found) <= MOST_TRACKED else found


def _tracked(git: Git, names: frozenset[str]) -> frozenset[str]:
    """Those of some names in a folder that git tracks, or that are folders with tracked files."""
    output = git.run(
        "ls-files", "-z", "--cached", "--", *names,
        variables=LITERAL, seconds=SECONDS, most_bytes=MOST_BYTES,
    )  # fmt: skip
    return frozenset(os.fsdecode(each.partition(b"/")[0]) for each in output.content.split(b"\0"))


def _read_status(git: Git, prefix: bytes, marks: Marks) -> None:
    flags = ("--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames")
    output = git.run(
        "status", *COMMANDS["status"], *flags, "--", ".", seconds=SECONDS, most_bytes=MOST_BYTES
    )
    start = prefix + b"/" if prefix else b""
    for each in output.content.split(b"\0")[: -1 if output.cut else None]:
        state, path = each[:2], each[3:]
        if not path:
            continue
        if start and start.startswith(path):  # a folder around this one is new as a whole
            marks.are_all_new = True
            return
        name, slash, inside = path.removeprefix(start).partition(b"/")
        word = INSIDE if slash and inside else _word(state)
        marks.words.setdefault(os.fsdecode(name), word)


def _word(state: bytes) -> str:
    if state == b"??" or state == b"A ":
        return NEW
    return CONFLICT if b"U" in state or state in (b"AA", b"DD") else CHANGED
