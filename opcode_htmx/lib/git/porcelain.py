"""Read what `git status --porcelain=v2 -z` writes: a head and one entry for each path."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.dataclass import dataclass

STATUS = ("status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=dirty")
"""The command, without further options. Submodules are not inspected, as in reads.py."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is checked out; known only with the option `--branch`."""

    commit: str = ""
    """Empty if there is none yet."""
    branch: str = ""
    """Empty if HEAD is on no branch."""
    upstream: str = ""
    """The name of the branch that it follows, such as `origin/main`; empty if there is none."""
    ahead: int | None = None
    """Commits that the upstream has not got; None where that is gone, or there is none."""
    behind: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A path that differs between HEAD, the index and the working tree.

    The letters are git's: M, T, A, D, R, C, U, or "?" for a file that git does not know. Modes are
    octal; a mode or an object is empty where there is none, and where git does not give it.
    """

    path: bytes
    staged: str = ""
    """How the index differs from HEAD; empty if it does not."""
    unstaged: str = ""
    """How the working tree differs from the index; empty if it does not."""
    origin: bytes | None = None
    """Where a renamed or copied file was before."""
    is_conflict: bool = False
    is_submodule: bool = False
    head_mode: str = ""
    index_mode: str = ""
    file_mode: str = ""
    """In the working tree."""
    head_object: str = ""
    index_object: str = ""

    @property
    def is_repository(self) -> bool:
        """Whether it is a folder with a repository of its own, which git would not look into."""
        return self.path.endswith(b"/")


def parse(content: bytes) -> tuple[Head, Iterator[Entry]]:
    """The head and the entries of an output, which may be cut off."""
    head, fields = split(content)
    return head, _entries(fields)


def split(content: bytes) -> tuple[Head, Iterator[bytes]]:
    """The head, and the fields of which `entry` makes entries."""
    fields = content.split(b"\0")[:-1]  # what follows the last NUL was cut off
    heads = list(takewhile(lambda field: field.startswith(b"# "), fields))
    return _head(heads), iter(fields[len(heads) :])


def _head(fields: list[bytes]) -> Head:
    values = dict(each[2:].decode("utf-8", "replace").partition(" ")[::2] for each in fields)
    commit, branch = values.get("branch.oid", ""), values.get("branch.head", "")
    return Head(
        "" if commit == "(initial)" else commit,
        "" if branch == "(detached)" else branch,
        values.get("branch.upstream", ""),
        *_counts(values.get("branch.ab", "")),
    )


def _counts(text: str) -> tuple[int | None, int | None]:
    """`+1 -2`, as git writes it; None where it does not."""
    ahead, _, behind = text.partition(" ")
    if not (ahead[1:].isdecimal() and behind[1:].isdecimal()):
        return None, None
    return int(ahead[1:]), int(behind[1:])


def _entries(fields: Iterator[bytes]) -> Iterator[Entry]:
    for field in yielding(fields):
        if found := entry(field, fields):
            yield found


def entry(field: bytes, rest: Iterator[bytes]) -> Entry | None:
    """The entry that begins with a field, and may go on in the next one; None for another kind."""
    kind, _, facts = field.partition(b" ")
    if kind == b"?":
        return Entry(facts, unstaged="?")
    if kind == b"1":
        *parts, path = facts.split(b" ", 7)
        return _changed(path, parts, None)
    if kind == b"2":
        *parts, _, path = facts.split(b" ", 8)
        return _changed(path, parts, next(rest, b""))
    if kind == b"u":
        _, sub, _, _, _, mode, _, _, _, path = facts.split(b" ", 9)
        return Entry(
            path, "U", "U", is_conflict=True, is_submodule=_is_submodule(sub),
            file_mode=_value(mode),
        )  # fmt: skip
    return None


def _changed(path: bytes, facts: list[bytes], origin: bytes | None) -> Entry:
    letters, sub, *others = facts
    staged, unstaged = (each.replace(".", "") for each in letters.decode("ascii", "replace"))
    return Entry(
        path,
        staged,
        unstaged,
        origin,
        False,
        _is_submodule(sub),
        *map(_value, others),
    )


def _is_submodule(field: bytes) -> bool:
    return field.startswith(b"S")


def _value(field: bytes) -> str:
    """A mode or the name of an object; zeros stand for none."""
    return field.decode("ascii", "replace") if field.strip(b"0") else ""
