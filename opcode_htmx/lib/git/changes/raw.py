"""The lists of `git diff`: raw records, and numbers of lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import diffs
from opcode_htmx.lib.git.changes.model import LETTERS, MOST, Change, Side, Status, is_inside
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import LITERAL
from opcode_htmx.lib.git.process import Output

Counts = dict[bytes, tuple[int | None, int | None]]
"""The numbers of added and removed lines by path; None for binary files."""
_SHORT = 32 * 1024
"""Bytes that are parsed in a millisecond; more take a thread."""


@dataclass(slots=True)
class Diff:
    """What `git diff` lists: changes, and numbers of lines."""

    changes: list[Change] = field(default_factory=list)
    counts: Counts = field(default_factory=dict)
    is_cut: bool = False


def read(git: Git, options: tuple[str, ...], paths: tuple[str, ...]) -> Diff:
    """What `git diff` lists with `--raw --no-abbrev` or `--numstat` among these options.

    `paths` are empty, or begin with `--`. Raises GitFailed.
    """
    output = git.run(
        *("diff", "-z", *diffs.LIST_OPTIONS, *options, *paths),
        settings=diffs.SETTINGS,
        variables=LITERAL,
    )
    if len(output.content) <= _SHORT:
        return _parsed(output)
    return run_cpu_in_thread(_parsed, output)


def _parsed(output: Output) -> Diff:
    found = Diff(is_cut=output.cut)
    fields = iter(output.content.split(b"\0")[:-1])
    for each in fields:
        if each.startswith(b":"):
            change = _of_record(each, fields)
            if len(found.changes) >= MOST:
                found.is_cut = True
            elif is_inside(change.path):
                found.changes.append(change)
        elif each.count(b"\t") >= 2:
            added, removed, path = each.split(b"\t", 2)
            if not path:
                next(fields, b"")
                path = next(fields, b"")
            found.counts[path] = _number(added), _number(removed)
    return found


def _of_record(record: bytes, fields: Iterator[bytes]) -> Change:
    """The change in a line such as `:100644 100644 0123 4567 M`, which the path follows."""
    old_mode, new_mode, old, new, letter = record[1:].split(b" ")
    kind_of = LETTERS.get(chr(letter[0]), Status.MODIFIED)
    path = next(fields, b"")
    old_path = b""
    if kind_of in (Status.RENAMED, Status.COPIED):
        old_path, path = path, next(fields, b"")
    mode = old_mode if kind_of is Status.DELETED else new_mode
    return Change(
        path,
        kind_of,
        Side.NONE,
        old_path,
        _blob(old.decode("ascii")),
        _blob(new.decode("ascii")),
        mode,
    )


def _blob(oid: str) -> str:
    return oid if oid.strip("0") else ""


def _number(text: bytes) -> int | None:
    return int(text) if text.isdigit() else None
