"""Scan a long history file for what its end depends on, without decoding all of its lines.

Made for a thread: no step holds the interpreter for long.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from opcode_htmx.engines.claude.files.history import LONGEST
from opcode_htmx.engines.claude.protocol import json_lines

PIECE = 256 * 1024
"""Bytes searched at a time. Within two of them a call may have its result."""

_IDS = re.compile(
    rb'"(?:uuid": ?"([^"\\]{1,100})|agentId": ?"([^"\\]{1,100})|((?:msg|toolu)_[^"\\]{1,100}))"'
)
_TODO_TOOLS = (b'"TodoWrite"', b'"TaskCreate"', b'"TaskUpdate"')
_COST = b'"cost-state"'


@dataclass(slots=True)
class HistoryScan:
    """What was found in a file. Offsets are those of the pieces in which it stands."""

    first_todo: int | None = None
    """Of the first line that may change the to-do list."""
    costs: list[tuple[int, int]] = field(default_factory=list)
    """The pieces, from byte to byte, with the newest lines about the session's cost."""
    _spans: array[int] = field(default_factory=lambda: array("q"))
    """Stretches that begin and end with lines of the same id: begin, end, begin, end."""

    def is_spanned(self, offset: int) -> bool:
        """Whether lines far before and behind this byte have an id in common."""
        return bisect_left(self._spans, offset) % 2 == 1


def scan(path: Path, end: int) -> HistoryScan:
    """Scan the first `end` bytes of a file. Raises OSError."""
    result = HistoryScan()
    seen: set[int] = set()
    by_piece: list[tuple[int, array[int]]] = []
    pairs: list[tuple[int, int]] = []
    newest: set[int] = set()
    for at, piece in _pieces(path, end):
        matches = _IDS.findall(piece)
        uuids = [hash(uuid) for uuid, _, _ in matches if uuid]
        entries, found = set(uuids), {hash(a or b) for uuid, a, b in matches if not uuid}
        again = ((found - newest) | entries) & seen | entries & newest
        for known in again:
            first = next((begin for begin, ids in by_piece if known in ids), at)
            pairs.append((first, at + len(piece)))
        if len(entries) < len(uuids):
            pairs.append((at, at + len(piece)))
        seen |= newest
        newest = found | entries
        by_piece.append((at, array("q", newest)))
        if result.first_todo is None and any(tool in piece for tool in _TODO_TOOLS):
            result.first_todo = at
        if _COST in piece:
            result.costs = [*result.costs[-7:], (at, at + len(piece))]
    result._spans = _merged(sorted(pairs))
    return result


def _pieces(path: Path, end: int) -> Iterator[tuple[int, bytes]]:
    """The file in pieces of whole lines, each with its offset."""
    with path.open("rb") as file:
        at, rest = 0, b""
        while at + len(rest) < end:
            read = file.read(min(PIECE, end - at - len(rest)))
            if not read:
                return
            cut = len(rest) + read.rfind(b"\n") + 1
            data = rest + read
            if cut == len(rest) and at + len(data) < end and len(data) < LONGEST:
                rest = data  # the middle of a long line
                continue
            cut = cut if cut > len(rest) else len(data)
            yield at, data[:cut]
            at, rest = at + cut, data[cut:]
        if rest:
            yield at, rest


def _merged(pairs: list[tuple[int, int]]) -> array[int]:
    spans = array("q")
    for begin, end in pairs:
        if spans and begin <= spans[-1]:
            spans[-1] = max(spans[-1], end)
        else:
            spans.extend((begin, end))
    return spans


def named(path: Path, end: int, name: bytes, most: int | None = None) -> int | None:
    """The offset of a piece near the last place that has `name` in the first `end` bytes.

    None if it stands nowhere, or not within the last `most` bytes. Raises OSError.
    """
    at = end
    for data in _backwards(path, end, most):
        at -= len(data)
        if name in data:
            return at
    return None


def cost_lines(path: Path, begin: int, end: int) -> list[bytes]:
    """The lines about the session's cost from byte to byte. Raises OSError."""
    with path.open("rb") as file:
        file.seek(begin)
        return [line for line in file.read(end - begin).split(b"\n") if _COST in line]


# --- the checkpoint -----------------------------------------------------------------------------

_CHECKPOINT, _BOUNDARY = b'"last-prompt"', b'"compact_boundary"'


def continues_checkpoint(path: Path, end: int, entry: str, most: int | None = None) -> bool | None:
    """Whether `entry` continues the leaf that was recorded last in the first `end` bytes.

    Also if none was recorded, or a compaction has cleared it. None if that cannot be decided, or
    not within `most` bytes. Raises OSError.
    """
    leaf: str | None = None
    needed = entry
    for data in _backwards(path, end, most):
        if leaf is None:
            leaf = _newest_leaf(data)
        if leaf == "":
            return True
        while needed != leaf:
            at = _last_of(data, needed)
            if at < 0:
                break
            begin = data.rfind(b"\n", 0, at) + 1
            found = json_lines.read(data[begin:].split(b"\n", 1)[0])
            parent = found.content.get("parentUuid") if found else None
            needed = parent if isinstance(parent, str) else "\0none"
            data = data[:begin]
        if needed == leaf:
            return True
    # without a record, all that there is belongs to the file's newest entry
    return True if leaf is None and most is None else None


def _last_of(data: bytes, uuid: str) -> int:
    """Where the last entry with a uuid stands in these lines; -1 if there is none."""
    at = data.rfind(b'"uuid":"%s"' % uuid.encode())
    return at if at >= 0 else data.rfind(b'"uuid": "%s"' % uuid.encode())


def _newest_leaf(data: bytes) -> str | None:
    """The leaf recorded last in these lines; empty if a compaction follows, None if none."""
    end = len(data)
    while (at := max(data.rfind(_CHECKPOINT, 0, end), data.rfind(_BOUNDARY, 0, end))) >= 0:
        end = data.rfind(b"\n", 0, at) + 1
        found = json_lines.read(data[end:].split(b"\n", 1)[0])
        content = found.content if found else {}
        if content.get("subtype") == "compact_boundary":
            return ""
        if content.get("type") == "last-prompt":
            leaf = content.get("leafUuid")
            return leaf if isinstance(leaf, str) and leaf else "\0unknown"
    return None


def _backwards(path: Path, end: int, most: int | None) -> Iterator[bytes]:
    """The first `end` bytes of a file in pieces of whole lines, the last one first."""
    last = 0 if most is None else max(0, end - most)
    with path.open("rb") as file:
        at, rest = end, b""
        while at > last:
            begin = max(0, at - PIECE)
            file.seek(begin)
            data = file.read(at - begin) + rest
            at = begin
            cut = data.find(b"\n") + 1 if begin else 0
            if begin and not cut and len(data) < LONGEST:
                rest = data
                continue
            rest = data[:cut]
            yield data[cut:]
