"""Gathers what each answer in a history file has used, and what led to it. Pure.

An answer carries what happened since the one before: prompts, time worked, lines changed. So
whatever is a copy of an answer in another file is counted with it, once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import field
from hashlib import sha256
from typing import NamedTuple

from opcode_htmx.engines.claude.protocol.usage.entries import (
    Usage,
    is_cut,
    lines_changed,
    output_of_cut,
    units_of,
    usage_of,
)
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass

REWOUND, SIDECHAIN, FAST, US, LONG, RECORDED = (1 << bit for bit in range(6))
"""Kinds of answers, which add up. SIDECHAIN: of a subagent in the session's own file; LONG: with a
prompt of more than LONG_PROMPT tokens, which some models charge for; RECORDED: with a cost of the
CLI's own."""
LONG_PROMPT = 100_000
MOST_PAUSE = 300.0
"""Seconds between two lines of a turn that count as time worked: longer ones are pauses."""
UNDATED = -1
"""The day of an answer without a time."""
_DAY = 86_400


@dataclass(slots=True)
class Extras:
    """What happened before an answer, or has happened since the last one."""

    seconds: float = 0.0
    prompts: int = 0
    added: int = 0
    removed: int = 0

    def take(self, other: Extras) -> None:
        """Add what is in another one, and empty that."""
        self.seconds, other.seconds = self.seconds + other.seconds, 0.0
        self.prompts, other.prompts = self.prompts + other.prompts, 0
        self.added, other.added = self.added + other.added, 0
        self.removed, other.removed = self.removed + other.removed, 0


@dataclass(slots=True)
class Answer:
    """One answer; `figures` are in the order of SUMS."""

    day: int
    model: str
    kind: int
    start: int
    """The place of its last line in the file."""
    is_copy: bool
    """Whether the line says that it was copied from another session."""
    usage: Usage
    extras: Extras = field(default_factory=Extras)

    @property
    def figures(self) -> tuple[int, ...]:
        its, extras = self.usage, self.extras
        return (
            *(its.input, its.output, its.cache_read, its.cache_write_5m, its.cache_write_1h),
            *(its.searches, 1, its.recorded or 0),
            *(round(extras.seconds), extras.prompts, extras.added, extras.removed),
        )


SUMS = (
    *("input", "output", "cache_read", "cache_write_5m", "cache_write_1h"),
    *("searches", "answers", "recorded"),
    *("seconds", "prompts", "added", "removed"),
)
"""The columns that add up: of the answer itself, and the last four of what led to it."""
OWN = 8
"""How many of them are of the answer itself."""


class Counted(NamedTuple):
    """An answer that was counted in an earlier pass; `figures` are the first OWN ones."""

    message: int
    day: int
    model: str
    kind: int
    figures: Sequence[int]


class AnswerCounter:
    """Folds the entries of one file, in their order."""

    def __init__(self, *, is_agent: bool, pending: str = "") -> None:
        """`pending` is what the pass before has left."""
        self.found: dict[int, Answer] = {}
        """The answers by a hash of their keys."""
        self._is_agent = is_agent
        self._last_at, self._since = 0.0, Extras()
        self._key, self._hash = "", 0
        """Of the newest answer."""
        self._parts: list[Json] = []
        """The entries of the newest answer: should it be cut, its tokens follow from its text."""
        self._units = 0
        """What the pass before has read of that."""
        self.last: Counted | None = None
        """The newest answer of the pass before: a next line of it replaces its figures."""
        if pending:
            self._last_at, since, last, self._units = json.loads(pending)
            self._since = Extras(*since)
            self.last = Counted(*last) if last else None

    def add(self, entry: Json, start: int, at: float | None, prompts: int) -> None:
        """Fold an entry; `prompts` is how many prompts of a person it holds."""
        kind = entry.get("type")
        if not self._is_agent:
            self._since.prompts += prompts
            if at is not None and entry.get("isSidechain") is not True:
                gap = at - self._last_at if self._last_at else 0.0
                if not prompts and kind in ("assistant", "user") and gap > 0:
                    self._since.seconds += min(gap, MOST_PAUSE)
                self._last_at = max(self._last_at, at)
        if kind == "user":
            added, removed = lines_changed(entry)
            self._since.added += added
            self._since.removed += removed
        elif kind == "assistant" and (usage := usage_of(entry)):
            self._answered(entry, usage, start, at)

    def _answered(self, entry: Json, usage: Usage, start: int, at: float | None) -> None:
        if usage.key != self._key:  # else another part of the same answer
            self._key, self._hash = usage.key, hash_of(usage.key)
            self._parts = []
            if self._hash != (self.last.message if self.last and not self.found else None):
                self._units = 0
        key = self._hash
        self._parts.append(entry)
        if is_cut(entry):
            output = max(usage.output, output_of_cut(self._units_of_newest))
            usage = usage._replace(output=output)
        old = self.found.get(key)
        new = Answer(
            day_of(at) if at is not None else UNDATED,
            usage.model,
            _kind(entry, usage),
            start,
            isinstance(entry.get("forkedFrom"), dict),
            usage,
            self._since,
        )
        if old:
            old.extras.take(self._since)
            new.extras = old.extras
        else:
            self._since = Extras()
        self.found[key] = new

    @property
    def _units_of_newest(self) -> int:
        return self._units + sum(map(units_of, self._parts))

    @property
    def pending(self) -> str:
        """What the next pass needs, as a short text."""
        last, its = self.last, self._since
        for message, each in reversed(self.found.items()):
            last = Counted(message, each.day, each.model, each.kind, each.figures[:OWN])
            break
        since = round(its.seconds), its.prompts, its.added, its.removed
        parts = round(self._last_at), since, last, self._units_of_newest
        return json.dumps(parts, separators=(",", ":"))


def _kind(entry: Json, usage: Usage) -> int:
    kind = 0
    if entry.get("isSidechain") is True:
        kind |= SIDECHAIN
    if usage.is_fast:
        kind |= FAST
    if usage.is_us:
        kind |= US
    if usage.prompt_tokens > LONG_PROMPT:
        kind |= LONG
    if usage.recorded is not None:
        kind |= RECORDED
    return kind


def hash_of(key: str) -> int:
    """47 bits, which SQLite stores in six bytes; larger numbers take eight."""
    return int.from_bytes(sha256(key.encode("utf-8", "replace")).digest()[:6]) >> 1


# Days of the server's calendar ------------------------------------------------------------


def _cached_days() -> Callable[[float], int]:
    """Days begin at a quarter of an hour everywhere, so one look-up serves all of it."""
    known: dict[int, int] = {}

    def day(at: float) -> int:
        quarter = int(at // 900)
        found = known.get(quarter)
        if found is None:
            local = time.localtime(quarter * 900)
            found = known[quarter] = (quarter * 900 + local.tm_gmtoff) // _DAY
        return found

    return day


day_of = _cached_days()
"""The day of a Unix time in the server's time zone, counted from 1 January 1970."""


def zone() -> str:
    """What identifies the server's time zone: its offsets in winter and summer, and its names."""
    moments = (time.localtime(at) for at in (1_452_000_000, 1_467_700_000, 1_767_600_000))
    return " ".join((*time.tzname, *(str(each.tm_gmtoff) for each in moments)))
