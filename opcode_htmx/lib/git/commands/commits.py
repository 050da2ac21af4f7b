"""Commit and amend, and what a person should know of the last commit before."""

from __future__ import annotations

from collections.abc import Mapping

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.commands import state
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import READING
from opcode_htmx.lib.git.process import GitFailed

SECONDS = 600.0
"""Hooks may run all tests."""
MOST_MESSAGE = 100_000
MOST_DIFF_BYTES = 200_000
"""Of the diff that a message is proposed for."""


class InvalidMessage(Exception):
    """A message cannot be used; the text says why."""


class NothingStaged(Exception):
    """There is nothing to commit; the text says so."""


@dataclass(frozen=True, slots=True)
class LastCommit:
    """The commit that HEAD is at; `at` is a Unix time."""

    id: str
    message: str
    author: str
    at: float
    pushed_to: tuple[str, ...]
    """The remote branches that have it already."""


def last(git: Git) -> LastCommit | None:
    """The last commit; None if there is none. Raises GitFailed."""
    reading = git.under(READING)
    if not state.resolved(reading, "HEAD"):
        return None
    layout = "%H%x00%an%x00%ct%x00%B"
    options = ("--no-show-signature", "--no-patch", "--encoding=UTF-8", f"--format={layout}")
    output = reading.run("show", *options, "HEAD", most_bytes=1024 * 1024)
    commit, author, at, message = output.content.decode("utf-8", "replace").split("\0", 3)
    remotes = reading.run(
        "for-each-ref", "--format=%(refname:lstrip=2)", "--count=20", f"--contains={commit}",
        "refs/remotes/",
    )  # fmt: skip
    names = remotes.content.decode("utf-8", "replace").split("\n")
    pushed = tuple(name for name in names if name and not name.endswith("/HEAD"))
    return LastCommit(commit, message.strip("\n"), author, float(at or 0), pushed)


def identity(git: Git) -> str:
    """Whom commits would be by: `Name <address>`; empty if git does not know. Raises GitFailed."""
    reading = git.under(READING)
    try:
        settings = {"user.useConfigOnly": "true"}
        output = reading.run("var", "GIT_AUTHOR_IDENT", settings=settings)
    except GitFailed as error:
        if error.status is None:
            raise
        return ""
    return output.content.decode("utf-8", "replace").rpartition(">")[0] + ">"


def set_identity(git: Git, name: str, address: str) -> None:
    """Have commits in this repository be by somebody. Raises InvalidMessage, GitFailed."""
    for text, words in ((name, "name"), (address, "e-mail address")):
        if not text or len(text) > 200 or any(not c.isprintable() or c in "<>" for c in text):
            raise InvalidMessage(f"Type a {words} for your commits, without < and >.")
    git.run("config", "--local", "user.name", name)
    git.run("config", "--local", "user.email", address)


def commit(
    git: Git,
    message: str,
    *,
    amend: bool = False,
    settings: Mapping[str, str] | None = None,
) -> str:
    """Commit what is staged, or put it into the last commit; gives the new commit.

    Hooks and signing run if the policy of `git` lets them. Raises InvalidMessage, NothingStaged,
    GitFailed.
    """
    text = message.strip()
    if not text:
        raise InvalidMessage("Type a message for the commit.")
    if len(text) > MOST_MESSAGE or "\0" in text:
        raise InvalidMessage("The message is too long.")
    if not amend and not state.operation(git) and not _has_staged(git):
        raise NothingStaged("Nothing is staged, so there is nothing to commit.")
    git.run(
        *("commit", "--quiet", "--cleanup=whitespace", "--file=-", "--no-edit"),
        *(("--amend",) if amend else ()),
        stdin=text.encode("utf-8", "replace") + b"\n",
        settings={"i18n.commitEncoding": "UTF-8", **(settings or {})},
        seconds=SECONDS,
    )
    return state.resolved(git, "HEAD")


def staged_diff(git: Git) -> tuple[str, bool]:
    """What a commit would change, as text, and whether it is cut. Raises GitFailed."""
    reading = git.under(READING)
    options = ("--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty")
    output = reading.run(
        "diff", "--cached", "--stat=100", "--patch", "--find-renames", *options,
        most_bytes=MOST_DIFF_BYTES,
    )  # fmt: skip
    return output.content.decode("utf-8", "replace"), output.cut


def _has_staged(git: Git) -> bool:
    """Whether the index differs from HEAD."""
    reading = git.under(READING)
    if not state.resolved(reading, "HEAD"):
        return bool(reading.run("ls-files", "-z", most_bytes=1).content)
    try:
        options = ("--no-ext-diff", "--ignore-submodules=dirty")
        reading.run("diff", "--cached", "--quiet", *options)
    except GitFailed as error:
        if error.status == 1:
            return True
        raise
    return False
