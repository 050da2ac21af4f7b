"""Say in a sentence what git refused, and keep what it wrote for those who want to read it."""

from __future__ import annotations

from opcode_htmx.lib.git.login import Wanted
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.late.patterns import late_pattern

MOST_OUTPUT = 20_000
"""Characters of git's output that are kept."""

_AUTHORITY = late_pattern(r"[^/\s]*")
_LOCK = late_pattern(r"Unable to create '[^']*\.lock': File exists")
_FALLBACK = "git refused. What it wrote is below."

# What git writes, in the C locale, and the sentence; the first that is found counts.
_SENTENCES: tuple[tuple[str, str], ...] = (
    (
        "stale info",
        "The remote branch has changed since you looked, so it was not overwritten. Fetch, and "
        "look at what came.",
    ),
    (
        "non-fast-forward",
        "The remote branch has commits that you have not got. Pull first, then push again.",
    ),
    (
        "fetch first",
        "The remote branch has commits that you have not got. Pull first, then push again.",
    ),
    ("pre-receive hook declined", "The remote refused the push by a rule of its own."),
    ("protected branch", "The remote protects this branch, and refused the push."),
    ("[remote rejected]", "The remote refused the push."),
    (
        "Not possible to fast-forward",
        "Your branch and the remote one have both moved on. Choose to merge or to rebase.",
    ),
    ("fix conflicts", "There are conflicts. Resolve them on the git page, then go on."),
    ("could not apply", "There are conflicts. Resolve them on the git page, then go on."),
    ("CONFLICT (", "There are conflicts. Resolve them on the git page, then go on."),
    (
        "would be overwritten by",
        "Changes of yours would be overwritten. Commit them, put them into a stash, or discard "
        "them first.",
    ),
    (
        "Your local changes",
        "Changes of yours are in the way. Commit them, or put them into a stash first.",
    ),
    ("unmerged files", "There are conflicts that are not resolved yet. Resolve them first."),
    ("needs merge", "There are conflicts that are not resolved yet. Resolve them first."),
    ("unstaged changes", "There are changes that are not committed. Commit or stash them first."),
    (
        "uncommitted changes",
        "There are changes that are not committed. Commit or stash them first.",
    ),
    ("nothing to commit", "There is nothing to commit."),
    ("nothing added to commit", "Nothing is staged, so there is nothing to commit."),
    ("no changes added to commit", "Nothing is staged, so there is nothing to commit."),
    ("Aborting commit due to empty commit message", "The message is empty."),
    (
        "Please tell me who you are",
        "git does not know your name yet. Type a name and an e-mail address for your commits.",
    ),
    (
        "empty ident name",
        "git does not know your name yet. Type a name and an e-mail address for your commits.",
    ),
    (
        "Authentication failed",
        "The remote did not accept the login. Set up a credential helper or an SSH key on the "
        "computer.",
    ),
    (
        "could not read Username",
        "The remote asks for a login, and git has none. Set up a credential helper or an SSH key "
        "on the computer.",
    ),
    (
        "could not read Password",
        "The remote asks for a password, and git has none. Set up a credential helper or an SSH "
        "key on the computer.",
    ),
    ("Permission denied (", "The remote did not accept the SSH key of this computer."),
    (
        "Host key verification failed",
        "This computer does not know the remote's SSH key yet. Connect once in a terminal there.",
    ),
    ("Could not resolve host", "The remote's name cannot be found. Is the computer online?"),
    ("Connection refused", "The remote does not answer."),
    ("Connection timed out", "The remote does not answer."),
    ("Repository not found", "There is no such repository at the remote, or you may not see it."),
    ("does not appear to be a git repository", "There is no repository at the remote's address."),
    ("Could not read from remote repository", "The remote could not be read."),
    ("unable to access", "The remote could not be reached."),
    ("not allowed", "git may not use this kind of address here."),
    ("gpg failed to sign", "The commit could not be signed, so it was not made."),
    (
        "is not fully merged",
        "This branch has commits that are on no other one. It was not deleted.",
    ),
    ("checked out at", "This branch is checked out in another folder."),
    ("already used by worktree", "This branch is checked out in another folder."),
    ("already exists", "There is one with this name already."),
    ("patch does not apply", "The file has changed since you looked. Nothing was done."),
    ("No local changes to save", "There is nothing to put into a stash."),
    ("No stash entries found", "There is no stash."),
    ("No space left on device", "The disk is full."),
)


class GitRefused(Exception):
    """git refused a command: a sentence for the person, and what git wrote in `output`."""

    def __init__(self, sentence: str, output: str = "") -> None:
        super().__init__(sentence)
        self.output = output


class LoginNeeded(GitRefused):
    """A remote asks for a login, or for another one; a person can type it."""

    def __init__(self, sentence: str, output: str, wanted: Wanted) -> None:
        super().__init__(sentence, output)
        self.wanted = wanted


class Busy(GitRefused):
    """Another program is changing the repository."""


def refusal(error: GitFailed, *, ran_hooks: bool = False) -> GitRefused:
    """The sentence for a failure, and what git wrote; `ran_hooks` if hooks might have refused."""
    written = f"{error.errors}\n{error.output.decode('utf-8', 'replace')}".strip()
    output = redacted(written)[-MOST_OUTPUT:]
    if error.status is None:
        return GitRefused(str(error), output)
    if _LOCK.search(written):
        return Busy(
            "Another git command is changing this repository. Wait until it has ended, and try "
            "again. If none runs, it was interrupted, and the file named below can be removed.",
            output,
        )
    for words, sentence in _SENTENCES:
        if words in written:
            return GitRefused(sentence, output)
    if ran_hooks and error.status == 1:
        return GitRefused("A hook of the repository refused. What it wrote is below.", output)
    return GitRefused(_FALLBACK, output)


def redacted(text: str) -> str:
    """A text without the logins in its addresses."""
    first, *others = text.split("://")
    return "://".join((first, *map(_without_login, others)))


def _without_login(address: str) -> str:
    """An address that begins behind its scheme."""
    found = _AUTHORITY.match(address)
    authority = found[0] if found else ""
    _, at, host = authority.rpartition("@")
    return f"***@{host}{address[len(authority) :]}" if at else address
