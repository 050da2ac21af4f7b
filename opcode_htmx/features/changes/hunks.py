"""A part of a file's diff as a page shows it: coloured lines, gaps to open, and what follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opcode_htmx.features.changes.colours import Contents, ShownLine, shown_lines
from opcode_htmx.lib.concurrency.cooperative import (
    TimeSlicer,
    run_cpu_in_thread,
    run_in_thread,
)
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.changes import file_diffs
from opcode_htmx.lib.git.changes.model import Status
from opcode_htmx.lib.git.diffs import FileDiff, Hunk, Line

PART_LINES = 200
"""Lines of a diff that are shown at once."""
GAP_LINES = 40
"""Lines of a gap that one tap opens."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Lines between hunks that have not changed."""

    old: int
    new: int
    """The numbers of its first line."""
    count: int | None
    """How many there are; None after the last hunk, where it is not known."""
    at_end: bool = False

    @property
    def is_short(self) -> bool:
        return self.count is not None and self.count <= GAP_LINES


@dataclass(frozen=True, slots=True)
class ShownHunk:
    """A hunk, or a part of one."""

    hunk: Hunk
    section: str
    lines: tuple[ShownLine, ...]
    begins: bool
    """Whether its first line is among them."""


@dataclass(frozen=True, slots=True)
class Part:
    """The items of a part of a diff, in order."""

    items: tuple[Gap | ShownHunk, ...]
    next_at: int
    """The index of the first line after it; 0 if there is none."""
    left: int
    """The number of lines from there on."""


def part(diff: FileDiff, contents: Contents, status: Status, at: int) -> Part:
    """The lines of a diff from the index `at` on, counted over all of its hunks."""
    slicer = TimeSlicer()
    total = sum(hunk.length for hunk in diff.hunks)
    end = at + PART_LINES
    has_gaps = status not in (Status.ADDED, Status.UNTRACKED, Status.DELETED)
    items: list[Gap | ShownHunk] = []
    start, after = 0, (1, 1)
    for hunk in diff.hunks:
        stop = start + hunk.length
        if start < end and stop > at:
            if start >= at and has_gaps and (gap := _gap(after, hunk)):
                items.append(gap)
            first, last = max(0, at - start), min(hunk.length, end - start)
            items.append(run_cpu_in_thread(_shown, hunk, first, last, contents))
            slicer.step()
        start, after = stop, (hunk.old_start + hunk.old_count, hunk.new_start + hunk.new_count)
    if end >= total and total and has_gaps and diff.sections == 1 and not diff.is_cut:
        items.append(Gap(*after, count=None, at_end=True))
    return Part(tuple(items), end if end < total else 0, max(0, total - end))


def _gap(after: tuple[int, int], hunk: Hunk) -> Gap | None:
    count = hunk.new_start - after[1]
    return Gap(*after, count=count) if count > 0 else None


def _shown(hunk: Hunk, first: int, last: int, contents: Contents) -> ShownHunk:
    section = hunk.section.decode("utf-8", "replace")[:200]
    lines = shown_lines(list(hunk.part(first, last)), contents)
    return ShownHunk(hunk, section, tuple(lines), begins=first == 0)


def opened(
    content: bytes, gap: Gap, name: str, *, from_end: bool
) -> tuple[list[Gap | list[ShownLine]], int]:
    """The items that take the place of a gap once a part of it is opened, and their lines' number.

    `content` is the file after the change.
    """
    first, count = gap.new, gap.count
    found, has_more = run_in_thread(_lines_of, content, first, count, from_end)
    if not found:
        return [], 0
    skipped = (count - len(found)) if from_end and count is not None else 0
    numbered = [
        Line(index, "ctx", b" " + text, gap.old + skipped + index, first + skipped + index)
        for index, text in enumerate(found)
    ]
    shown = run_cpu_in_thread(lambda: list(shown_lines(numbered, Contents(name, new=content))))
    rest: list[Gap | list[ShownLine]] = []
    if count is None:
        if has_more:
            rest = [Gap(gap.old + len(found), first + len(found), None, at_end=True)]
    elif count > len(found):
        start = 0 if from_end else len(found)
        rest = [Gap(gap.old + start, first + start, count - len(found))]
    return ([*rest, shown] if from_end else [shown, *rest]), len(found)


def _lines_of(
    content: bytes, first: int, count: int | None, from_end: bool
) -> tuple[list[bytes], bool]:
    """At most GAP_LINES lines from the number `first` on, and whether there are more after them."""
    lines = file_diffs.lines(content)
    inside = lines[first - 1 :] if count is None else lines[first - 1 : first - 1 + count]
    shown = inside[-GAP_LINES:] if from_end else inside[:GAP_LINES]
    return shown, len(inside) > len(shown)


def numbers(items: Sequence[Gap | ShownHunk]) -> Iterator[tuple[int | None, int | None]]:
    """The numbers before and after of all lines that are shown."""
    for item in items:
        if isinstance(item, ShownHunk):
            for line in item.lines:
                yield line.old, line.new
