"""Parse what `git diff` prints for one file, as bytes: hunks, their lines and their names.

The path is given by the caller, from a `-z` listing; the names in git's headers are not read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from typing import Literal

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

LIST_OPTIONS = (
    *("--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--ignore-submodules=dirty"),
    *("--find-renames", "-O/dev/null", "--diff-algorithm=histogram", "--submodule=short"),
)
"""Options of a `git diff` that lists files, so that no setting of a repository changes what is
parsed. None of OPTIONS goes with them: with `--unified`, too, git prints the text of all files."""
OPTIONS = (
    *LIST_OPTIONS,
    *("--patch", "--unified=3", "--inter-hunk-context=0", "--src-prefix=a/", "--dst-prefix=b/"),
)
"""The same for a `git diff` that prints what has changed in the files."""
SETTINGS: Mapping[str, str] = {
    "diff.suppressBlankEmpty": "false",
    "diff.wsErrorHighlight": "none",
    "diff.colorMoved": "no",
    "diff.indentHeuristic": "true",
}
"""Configuration values for the same, where there is no option."""

Kind = Literal["add", "del", "ctx"]

_KINDS: Mapping[bytes, Kind] = {b"+": "add", b"-": "del", b" ": "ctx"}
_SECTION = late_pattern(rb"diff --(?:git|cc|combined) ")
_HUNK = late_pattern(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)")
"""Both are found at the beginning of lines only, and all lines within a hunk begin with a sign."""
_BLOCK = 128 * 1024
"""Bytes that are split at once: meanwhile no other thread runs, the event loop's among them."""
_COMBINED = late_pattern(rb"^diff --(?:cc|combined) ", re.MULTILINE)
_BINARY = late_pattern(rb"^(?:Binary files .* differ|GIT binary patch)$", re.MULTILINE)
_NO_NEWLINE = b"\\"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a hunk; its name is `{hunk.id}:{index}`."""

    index: int
    """Its place among the lines of the hunk, from 0."""
    kind: Kind
    raw: bytes
    """With its sign, without the line feed; a carriage return is part of it."""
    old: int | None
    """Its number before, from 1; None for an added line."""
    new: int | None
    """Its number after, from 1; None for a removed line."""
    ends_file: bool = False
    """Whether the file ends with it, without a line feed."""

    @property
    def content(self) -> bytes:
        """The line as the file holds it, with its line feed if it has one."""
        return self.raw[1:] + (b"" if self.ends_file else b"\n")

    @property
    def patch(self) -> bytes:
        """The line as a patch holds it."""
        return self.raw + (b"\n\\ No newline at end of file\n" if self.ends_file else b"\n")


@dataclass(frozen=True)
class Hunk:
    """Consecutive lines of a file with changes among them; `id` names it in its diff."""

    id: str
    """16 hex digits of a hash over its path and lines: the same wherever the hunk has moved to."""
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    section: bytes
    """The line that git takes for the heading of its place, such as that of a function; untrusted,
    and perhaps cut within a character."""
    body: bytes
    """Its lines as git prints them, each with its line feed."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """All of its lines. Made anew at each access."""
        return tuple(self.part(0, self.length))

    @property
    def length(self) -> int:
        """The number of its lines."""
        return len(self._rows)

    def part(self, start: int, stop: int) -> Iterator[Line]:
        """The lines from index `start` until before `stop`, without making those around them."""
        rows = self._rows
        before = Counter(row[:1] for row in rows[:start])
        old = self.old_start + before[b" "] + before[b"-"]
        new = self.new_start + before[b" "] + before[b"+"]
        for index in range(max(0, start), min(stop, len(rows))):
            raw = rows[index]
            kind = _KINDS[raw[:1]]
            yield Line(
                index,
                kind,
                raw,
                None if kind == "add" else old,
                None if kind == "del" else new,
                index in self._ends,
            )
            old += kind != "add"
            new += kind != "del"

    @cached_property
    def _split(self) -> tuple[list[bytes], frozenset[int]]:
        """The lines without git's remarks, and the indices of those that a remark follows."""
        rows = split_lines(self.body)[:-1]
        remarks = [index for index, row in enumerate(rows) if row[:1] not in _KINDS]
        if not remarks:
            return rows, frozenset()
        ends = {
            index - 1 - passed
            for passed, index in enumerate(remarks)
            if rows[index][:1] == _NO_NEWLINE
        }
        left_out = set(remarks)
        return [row for index, row in enumerate(rows) if index not in left_out], frozenset(ends)

    @property
    def _rows(self) -> list[bytes]:
        return self._split[0]

    @property
    def _ends(self) -> frozenset[int]:
        return self._split[1]


@dataclass(frozen=True, slots=True)
class FileDiff:
    """The changes of one file."""

    path: bytes
    headers: tuple[bytes, ...]
    """git's lines that belong to no hunk, such as `old mode 100644`."""
    hunks: tuple[Hunk, ...]
    sections: int
    """How many diffs git made of it: 0 for no change, 2 where a file became a link or the like."""
    is_binary: bool = False
    is_combined: bool = False
    """Whether it is in conflict, and git compared it with both sides; it has no hunks then."""
    is_cut: bool = False
    """Whether git's output was cut, and the last hunk, which was not whole, is left out."""

    def hunk(self, id: str) -> Hunk | None:
        return next((each for each in self.hunks if each.id == id), None)


def parse(output: bytes, path: bytes, *, is_cut: bool = False) -> FileDiff:
    """The diff of one file, from what `git diff` printed under OPTIONS and SETTINGS.

    `is_cut` says that there was more output.
    """
    sections = [each.start() for each in _at_lines(output, b"diff --", _SECTION)]
    marks = list(_at_lines(output, b"@@ -", _HUNK))
    starts = sorted([*sections, *(each.start() for each in marks)])
    ends = dict(zip(starts, [*starts[1:], len(output)], strict=False))
    head = b"".join(output[start : ends[start]] for start in sections)
    seen: Counter[str] = Counter()
    hunks = [
        _hunk(mark, output[mark.end() + 1 : ends[mark.start()]], path, seen)
        for mark in marks
        if not (is_cut and ends[mark.start()] == len(output))
    ]
    return FileDiff(
        path,
        tuple(head.split(b"\n")[:-1]),
        tuple(hunks),
        len(sections),
        is_binary=bool(_BINARY.search(head)),
        is_combined=bool(_COMBINED.search(head)),
        is_cut=is_cut,
    )


def _at_lines(output: bytes, start: bytes, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """The matches at the beginnings of lines, which all begin with `start`.

    A search for the pattern itself takes 20 ms for 200,000 lines, in which no other thread runs.
    """
    place = 0 if output.startswith(start) else output.find(b"\n" + start) + 1 or -1
    while place >= 0:
        if found := pattern.match(output, place):
            yield found
        place = output.find(b"\n" + start, place) + 1 or -1


def split_lines(content: bytes) -> list[bytes]:
    """`content.split(b"\\n")`, so that other threads run in between."""
    found: list[bytes] = []
    start = 0
    while start + _BLOCK < len(content):
        end = content.find(b"\n", start + _BLOCK)
        if end < 0:
            break
        found += content[start:end].split(b"\n")
        start = end + 1
    found += content[start:].split(b"\n")
    return found


def cut(diff: FileDiff) -> FileDiff:
    """The same, of a file that goes on."""
    return replace(diff, is_cut=True)


def _hunk(mark: re.Match[bytes], body: bytes, path: bytes, seen: Counter[str]) -> Hunk:
    old_start, old_count, new_start, new_count, section = mark.groups()
    digest = sha256(path + b"\0" + body)
    name = digest.hexdigest()
    if seen[name]:  # a file may have the same change in several places
        digest.update(b"\0%d" % seen[name])
    seen[name] += 1
    return Hunk(
        digest.hexdigest()[:16],
        int(old_start),
        int(old_count or 1),
        int(new_start),
        int(new_count or 1),
        section.strip(),
        body,
    )
