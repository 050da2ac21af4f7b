"""Make the patch that takes over some lines of a diff, and leaves the others as they are.

Pure: from the hunks that git has printed to the text that `git apply` reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.diffs import Hunk

ALL: Collection[int] | None = None
"""Every line of a hunk."""

_NO_NEWLINE = b"\n\\ No newline at end of file\n"
_PLAIN = frozenset(range(0x20, 0x7F)) - {ord('"'), ord("\\")}


class NothingChosen(Exception):
    """No line of those chosen is added or removed; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class _Row:
    sign: bytes
    text: bytes
    ends_file: bool = False

    @property
    def raw(self) -> bytes:
        return self.sign + self.text + (_NO_NEWLINE if self.ends_file else b"\n")


def make(
    path: bytes,
    hunks: Iterable[Hunk],
    chosen: Mapping[str, Collection[int] | None],
    *,
    reverse: bool,
    new_file_mode: str = "",
) -> bytes:
    """The patch with the chosen lines of the hunks.

    `chosen` has the indices of lines by the ids of their hunks; None stands for all of them. With
    `reverse` the patch takes the lines back from a file that has them. `new_file_mode` is set for
    a file that is not there yet. Raises NothingChosen.
    """
    parts: list[bytes] = []
    moved = 0
    """By how many lines the file has grown so far."""
    for hunk in hunks:
        if hunk.id not in chosen:
            continue
        start = hunk.new_start if reverse else hunk.old_start
        rows = _moved_ends(list(_rows(hunk, chosen[hunk.id], reverse=reverse)))
        if all(row.sign == b" " for row in rows):
            continue
        old = sum(row.sign != b"+" for row in rows)
        new = sum(row.sign != b"-" for row in rows)
        # git counts from the line before where a side has no lines
        first = start if (hunk.new_count if reverse else hunk.old_count) else start + 1
        begin, end = (first if old else first - 1), (first + moved if new else first + moved - 1)
        parts.append(b"@@ -%d,%d +%d,%d @@\n" % (begin, old, end, new))
        parts += (row.raw for row in rows)
        moved += new - old
    if not parts:
        raise NothingChosen("None of the chosen lines is a change: choose lines with + or −.")
    return b"".join((*_head(path, new_file_mode), *parts))


def covers(hunks: Iterable[Hunk], chosen: Mapping[str, Collection[int] | None]) -> bool:
    """Whether every change of these hunks is chosen."""
    for hunk in hunks:
        if hunk.id not in chosen:
            return False
        indices = chosen[hunk.id]
        if indices is not None and any(
            line.kind != "ctx" and line.index not in indices for line in hunk.lines
        ):
            return False
    return True


def quoted(path: bytes) -> bytes:
    """A path in double quotes, as git reads it in patches and in lists of lines."""
    return b'"' + b"".join(bytes([c]) if c in _PLAIN else b"\\%03o" % c for c in path) + b'"'


def _head(path: bytes, new_file_mode: str) -> Iterator[bytes]:
    old, new = quoted(b"a/" + path), quoted(b"b/" + path)
    yield b"diff --git %s %s\n" % (old, new)
    if new_file_mode:
        yield b"new file mode %s\n" % new_file_mode.encode()
    yield b"--- %s\n+++ %s\n" % (b"/dev/null" if new_file_mode else old, new)


def _rows(hunk: Hunk, indices: Collection[int] | None, *, reverse: bool) -> Iterator[_Row]:
    """The hunk with its chosen changes: those left out stay as they are in the file.

    A change that is left out is context where the file has the line, else it is no line at all.
    """
    added, removed = ("del", "add") if reverse else ("add", "del")
    for line in hunk.lines:
        text = line.raw[1:]
        is_chosen = indices is None or line.index in indices
        if line.kind == "ctx":
            yield _Row(b" ", text, line.ends_file)
        elif line.kind == removed:
            yield _Row(b"-" if is_chosen else b" ", text, line.ends_file)
        elif line.kind == added and is_chosen:
            yield _Row(b"+", text, line.ends_file)


def _moved_ends(rows: list[_Row]) -> list[_Row]:
    """Give a line feed to each line that ended the file and has another one behind it now."""
    last = max((index for index, row in enumerate(rows) if row.sign != b"-"), default=-1)
    found: list[_Row] = []
    for index, row in enumerate(rows):
        if row.ends_file and row.sign != b"-" and index != last:
            if row.sign == b" ":
                found.append(_Row(b"-", row.text, ends_file=True))
            found.append(_Row(b"+", row.text))
        else:
            found.append(row)
    return found
