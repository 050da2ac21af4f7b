"""Scan a long history file for what its end depends on, without decoding all of its lines.

Made for a thread: no step holds the interpreter for long.
"""

from __future__ import annotations

import ctypes
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from opcode_htmx.engines.claude.files.history import LONGEST
from opcode_htmx.engines.claude.protocol import json_lines, parser
from opcode_htmx.engines.messages import CostState
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

PIECE = 256 * 1024
"""Bytes searched at a time. Within two of them a call may have its result."""

BUCKETS = 64
"""Ids are compared in so many groups, one after the other, which takes little memory."""

MANY = 100
"""Pieces whose ids take more memory than is worth keeping."""

_IDS = late_pattern(
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
    pieces: list[tuple[int, int]] = []
    ids, numbers = [array("q") for _ in range(BUCKETS)], [array("i") for _ in range(BUCKETS)]
    before: set[int] = set()
    for at, piece in _pieces(path, end):
        pieces.append((at, at + len(piece)))
        matches = _IDS.findall(piece)
        uuids = [hash(uuid) for uuid, _, _ in matches if uuid]
        others = {hash(a or b) for uuid, a, b in matches if not uuid}
        for each in (*uuids, *(others - before)):
            ids[each % BUCKETS].append(each)
            numbers[each % BUCKETS].append(len(pieces) - 1)
        before = others
        if result.first_todo is None and any(tool in piece for tool in _TODO_TOOLS):
            result.first_todo = at
        if _COST in piece:
            result.costs = [*result.costs[-7:], pieces[-1]]
    repeated = (pair for bucket in zip(ids, numbers, strict=True) for pair in _repeated(*bucket))
    result._spans = _merged(sorted((pieces[a][0], pieces[b][1]) for a, b in repeated))
    del ids, numbers, repeated
    if len(pieces) >= MANY:
        _give_back()
    return result


def _give_back() -> None:
    """Give the memory of what is no more needed back to the system, where the C library can.

    It would keep 2 MB of the ids in 250 MB.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _repeated(ids: array[int], numbers: array[int]) -> Iterator[tuple[int, int]]:
    """The numbers of the pieces between which an id stands again."""
    if len(set(ids)) == len(ids):
        return
    known: dict[int, int] = {}
    for each, number in zip(ids, numbers, strict=True):
        if each in known:
            yield known[each], number
        known[each] = number


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


def has_entry(path: Path, end: int, uuid: str, most: int | None = None) -> bool:
    """Whether there is an entry with a uuid in the first `end` bytes, or the last `most` of them.

    Raises OSError.
    """
    return any(_last_of(data, uuid) >= 0 for data in _backwards(path, end, most))


def cost_lines(path: Path, begin: int, end: int) -> list[bytes]:
    """The lines about the session's cost from byte to byte. Raises OSError."""
    with path.open("rb") as file:
        file.seek(begin)
        return [line for line in file.read(end - begin).split(b"\n") if _COST in line]


def cost_before(path: Path, end: int) -> float:
    """The cost of the session in US dollars that the first `end` bytes note last; 0 if none.

    Claude notes it as it ends, and a process that resumes the session counts on from there: what
    one has cost that was killed is in no later total. Raises OSError.
    """
    for data in _backwards(path, end, None):
        for line in reversed(data.split(b"\n")) if _COST in data else ():
            if (found := _cost_in(line)) is not None:
                return found
    return 0.0


def cost_between(path: Path, begin: int, end: int) -> float:
    """The cost of the session in US dollars that is noted last from byte to byte; 0 if none.

    Raises OSError.
    """
    if not begin:
        return cost_before(path, end)
    costs = [_cost_in(line) for line in cost_lines(path, begin, end)]
    return next((cost for cost in reversed(costs) if cost is not None), 0.0)


def _cost_in(line: bytes) -> float | None:
    found = parser.parse(line) if _COST in line else None
    return found.cost_usd if isinstance(found, CostState) else None


# --- the checkpoint -----------------------------------------------------------------------------

_NO_ENTRY, _NO_LEAF = "\0none", "\0unknown"
"""In place of a uuid: where the path has ended, and a record without a leaf."""
_PARENT = late_pattern(rb'\{"parentUuid": ?"([0-9a-f-]{36})"')
_CHECKPOINT, _BOUNDARY = b'"last-prompt"', b'"compact_boundary"'


def continues_checkpoint(path: Path, end: int, entry: str, most: int | None = None) -> bool | None:
    """Whether `entry` continues the leaf that was recorded last in the first `end` bytes.

    Also if none was recorded, or a compaction has cleared it. A leaf that stands behind the entry
    which names it is lost to that entry, as in a `Lineage`. None if the last `most` of these bytes
    have no record, or not the leaf. Raises OSError.
    """
    leaf: str | None = None
    needed = entry
    for data in _backwards(path, end, most):
        if leaf is None:
            leaf = _newest_leaf(data)
        if leaf == "":
            return True
        before = len(data)
        while (at := _last_of(data, needed, before)) >= 0:
            if needed == leaf:
                return True
            before, after = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
            needed = _parent_in(data[before : after if after >= 0 else None])
    # without a record, all that there is belongs to the file's newest entry
    if leaf is None:
        return True if most is None else None
    return None if needed == leaf and most is not None else False


def _parent_in(line: bytes) -> str:
    """The uuid of the entry that the one in a line continues."""
    if match := _PARENT.match(line):
        return match[1].decode()
    found = json_lines.read(line)
    parent = found.content.get("parentUuid") if found else None
    return parent if isinstance(parent, str) else _NO_ENTRY


def _last_of(data: bytes, uuid: str, end: int | None = None) -> int:
    """Where the last entry with a uuid stands in the first `end` bytes; -1 if there is none."""
    name = uuid.encode("utf-8", "replace")
    at = data.rfind(b'"uuid":"%s"' % name, 0, end)
    return at if at >= 0 else data.rfind(b'"uuid": "%s"' % name, 0, end)


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
            return leaf if isinstance(leaf, str) and leaf else _NO_LEAF
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
