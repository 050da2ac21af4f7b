"""Find the lines of a comment again in a file that has changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote_to_bytes

from opcode_htmx.features.changes.review.store import NEW, Comment
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.changes import file_diffs

_MOST_PLACES = 1000
"""Places of equal lines that are compared for the nearest one."""


@dataclass(frozen=True, slots=True)
class Anchored:
    """A comment, and what has become of its lines."""

    comment: Comment
    path: bytes
    is_open: bool
    """Whether its lines are still as they were when it was written."""
    first: int
    """Where the first of them is now."""

    @property
    def last(self) -> int:
        return self.first + self.comment.last - self.comment.first

    @property
    def is_addressed(self) -> bool:
        """Whether Claude has changed the lines after it was sent the comment."""
        return bool(self.comment.sent_at) and not self.is_open

    @property
    def is_outdated(self) -> bool:
        """Whether the lines have changed before the comment was sent."""
        return not self.comment.sent_at and not self.is_open


def anchored(top: Path, comments: Iterable[Comment]) -> list[Anchored]:
    """The comments with the places of their lines. Reads each file once."""
    found = list(comments)
    return run_in_thread(_anchored, top, found) if found else []


def _anchored(top: Path, comments: list[Comment]) -> list[Anchored]:
    contents: dict[str, bytes] = {}
    for each in comments:
        if each.key not in contents:
            path = unquote_to_bytes(each.key)
            content = file_diffs.working_content(top, path)
            # As comments keep their lines: what is no UTF-8 is replaced
            contents[each.key] = content.decode("utf-8", "replace").encode()
    return [_place(each, contents) for each in comments]


def _place(comment: Comment, contents: Mapping[str, bytes]) -> Anchored:
    path = unquote_to_bytes(comment.key)
    code = comment.code.encode("utf-8", "replace")
    first = place_of(contents[comment.key], code, comment.first)
    if comment.on == NEW:
        return Anchored(comment, path, first > 0, first or comment.first)
    # Lines that were removed: somebody may have put them back
    return Anchored(comment, path, first == 0, comment.first)


def place_of(content: bytes, code: bytes, near: int) -> int:
    """The number of the first line of `code` in a file, the nearest to `near`; 0 if it has none."""
    text, wanted = b"\n" + content.removesuffix(b"\n") + b"\n", b"\n" + code + b"\n"
    best, line, position = 0, 1, 0
    for _ in range(_MOST_PLACES):
        found = text.find(wanted, position)
        if found < 0:
            break
        line += text.count(b"\n", position, found)
        if not best or abs(line - near) < abs(best - near):
            best = line
        if line > near:
            break
        position = found + 1
        line += 1
    return best
