"""The part of a conversation that only Claude's history file holds.

A run's stdout holds what that run has said, and the history file holds it again. Lines that no
stdout of ours holds were written elsewhere: in a terminal, before, between or beside our runs. A
line belongs to the run that printed its uuid, wherever in the file it stands.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opcode_htmx.engines.claude.files.lineage import Kind, Lineage, kind_of
from opcode_htmx.engines.claude.files.subagents import Subagents
from opcode_htmx.engines.claude.protocol import json_lines, parser
from opcode_htmx.engines.messages import SYNTHETIC, Message
from opcode_htmx.lib.coerce import Json, as_dict, as_str
from opcode_htmx.lib.cooperative import TimeSlicer
from opcode_htmx.runs.model.line_reader import Line, LineReader
from opcode_htmx.transcript.conversation.run_part import RunPart
from opcode_htmx.transcript.fold import Transcript

SETTLING_SECONDS = 1.0
"""How much later than history stdout may hold a line of the same run."""
_BEHIND = 10**9
"""Sorts behind all blocks of one line."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a run may have written: the entries from byte `start` on, up to `end`, if it has one."""

    start: int
    end: int | None
    number: int
    part: RunPart | None
    """None where the run's folder was cleared away."""

    def holds(self, begin: int) -> bool:
        """Whether the run was alive, as far as is known, when the entry at byte `begin` came."""
        return self.start <= begin and (self.end is None or begin < self.end)


@dataclass(frozen=True, slots=True)
class _Entry:
    begin: int
    line: Line
    found: json_lines.Found | None
    read_at: float

    @property
    def end(self) -> int:
        return self.line.end

    @property
    def row(self) -> Json:
        """The object in the line; empty where there is none."""
        return self.found.content if self.found else {}

    @property
    def message(self) -> Message:
        return parser.message_in(self.found, self.line.data)

    @property
    def uuid(self) -> str:
        return as_str(self.row.get("uuid"))

    @property
    def prompt_id(self) -> str:
        """The id under which a prompt was sent that was taken up in mid-turn."""
        return as_str(as_dict(self.row.get("attachment")).get("source_uuid"))


@dataclass(slots=True)
class HistoryPart:
    """One history file, read once from its beginning."""

    path: Path
    transcript: Transcript
    reader: LineReader
    lineage: Lineage = field(default_factory=Lineage)
    whole: int = 0
    """The revision up to which everything has been folded: in the middle of a line, that before."""
    place: int = 0
    """The number of the stretch in which the newest block stands."""
    foreign_tip: str = ""
    """The newest entry that was written elsewhere while a run of ours was alive."""
    settled: int = -1
    """The number of the newest run that ended what was open in front of it."""
    _identity: tuple[int, int] | None = field(init=False)
    """Device and inode before anything was read: another file may take the place of this one."""
    _subagents: Subagents = field(init=False)
    foreign: set[str] = field(default_factory=set)
    """The entries that were written elsewhere while a run of ours was alive."""
    _waiting: deque[_Entry] = field(default_factory=deque)
    """What was written elsewhere, unless the run's stdout brings it yet."""

    def __post_init__(self) -> None:
        self._subagents = Subagents(self.path)
        stat = self._stat()
        self._identity = stat and (stat.st_dev, stat.st_ino)

    @classmethod
    def of(cls, path: Path, taken: Callable[[str], bool]) -> HistoryPart:
        transcript = Transcript("0", run_id=None, taken=taken)
        return cls(path, transcript, LineReader(path))

    def fold(self, stretches: Sequence[Stretch], limit: int | None) -> int:
        """Fold what was written since, up to byte `limit`; how many bytes that was.

        `stretches` are those of the runs that have begun so far, in order.
        """
        size, begin, pace = 0, self.reader.offset, TimeSlicer()
        if limit is not None and begin >= limit:
            return 0  # without a look at the file: there may be hundreds of runs
        self.reader.limit(limit)
        for line in self.reader.read():
            try:
                for _ in self._take(line, begin, stretches):
                    pace.step()
            except Exception:
                text = line.data.decode("utf-8", "replace")
                self.transcript.add_failed("a line of Claude's history", text, line.end)
                self.whole = line.end
            begin = line.end
            size += len(line.data)
        return size

    def show_what_waits(self, stretches: Sequence[Stretch]) -> None:
        """Show what no stdout will bring any more; `stretches` are those of all runs."""
        if self._waiting and self._is_settled(stretches):
            pace = TimeSlicer()
            for _ in self._release(stretches):
                pace.step()

    @property
    def is_cut(self) -> bool:
        """Whether the file has lost what was read already, or another one has taken its place."""
        stat = self._stat()
        if stat is None or stat.st_size < self.reader.offset:
            return True
        return (stat.st_dev, stat.st_ino) != self._identity

    def _stat(self) -> os.stat_result | None:
        try:
            return self.path.stat()
        except OSError:
            return None

    def end_in_front_of(self, number: int) -> None:
        """A run begins: nothing that was open in front of it goes on."""
        if self.settled < number:
            self.settled = number
            if self.transcript.blocks:
                self.whole += 1
                self.transcript.settle(self.whole)

    def is_foreign_above(self, leaf: str, ancestor: str) -> bool:
        """Whether anything was written elsewhere between an entry and the path to `ancestor`."""
        if not self.foreign:
            return False
        above, _ = self.lineage.meeting(leaf, ancestor)
        return any(uuid in self.foreign for uuid in above)

    # --- whose line it is -------------------------------------------------------------------

    def _take(self, line: Line, begin: int, stretches: Sequence[Stretch]) -> Iterator[None]:
        found = json_lines.read(line.data)
        entry = _Entry(begin, line, found, time.monotonic())
        self.lineage.add(entry.row)
        stretch = _stretch_at(stretches, begin)
        owner, written_at = self._owner(entry, stretches)
        if owner is not None:
            yield from self._release(stretches, owner, written_at)
            self._belongs_to(owner, entry)
        elif stretch is None or stretch.part is None or not stretch.holds(begin):
            yield from self._release(stretches)
            yield from self._show(entry, f"{_number_at(stretch, begin)}")
        elif self._is_foreign(entry, stretch.part):
            self.foreign.add(entry.uuid)
            self._waiting.append(entry)
        else:
            self._belongs_to(stretch.part, entry)

    def _owner(self, entry: _Entry, stretches: Sequence[Stretch]) -> tuple[RunPart | None, int]:
        """The run whose stdout holds the entry, and where in it; only one that had begun can."""
        uuids = [each for each in (entry.uuid, entry.prompt_id) if each]
        for stretch in reversed(stretches):
            if stretch.part and stretch.start <= entry.begin:
                for uuid in uuids:
                    if (end := stretch.part.end_of(uuid)) is not None:
                        return stretch.part, end
        return None, 0

    def _is_foreign(self, entry: _Entry, part: RunPart) -> bool:
        """Whether an entry in the run's stretch, which stdout does not hold, is not the run's.

        A prompt or an answer of the run would be there; notes belong where their parent does.
        """
        if not entry.uuid:
            return False
        if as_str(entry.row.get("parentUuid")) in self.foreign:
            return True
        is_said = kind_of(entry.row) is not Kind.NOTE
        return is_said and not _is_added(entry.row) and not part.has_written(entry.message)

    def _belongs_to(self, part: RunPart, entry: _Entry) -> None:
        if entry.uuid in self.lineage:
            part.tip = entry.uuid
            if entry.row.get("type") == "assistant" or entry.row.get("promptSource"):
                part.last_turn = entry.uuid  # and no report, of a change of the model, say
        elif entry.row.get("rewound") is True and part.end_of(as_str(entry.row.get("cutUuid"))):
            part.tip = as_str(entry.row.get("leafUuid"))
        if not self._waiting:
            self.whole = entry.end

    # --- what is shown ----------------------------------------------------------------------

    def _is_settled(self, stretches: Sequence[Stretch]) -> bool:
        """Whether no stdout will bring what waits any more."""
        stretch = _stretch_at(stretches, self._waiting[0].begin)
        if stretch is None or stretch.part is None or stretch.part.is_closed:
            return True
        if time.monotonic() - self._waiting[0].read_at > SETTLING_SECONDS:
            return True
        try:
            return time.time() - self.path.stat().st_mtime > SETTLING_SECONDS
        except OSError:
            return True

    def _release(
        self, stretches: Sequence[Stretch], writer: RunPart | None = None, before: int = 0
    ) -> Iterator[None]:
        """Show what waits, behind all that its run has written so far.

        Within the run `writer`, in front of the line of stdout that ends at byte `before`.
        """
        while self._waiting:
            entry = self._waiting.popleft()
            owner, _ = self._owner(entry, stretches)
            if owner is not None:  # its stdout was slower
                self.foreign.discard(entry.uuid)
                self._belongs_to(owner, entry)
                continue
            stretch = _stretch_at(stretches, entry.begin)
            if stretch is None or stretch.part is None:
                yield from self._show(entry, f"{_number_at(stretch, entry.begin)}")
                continue
            behind = before - 1 if stretch.part is writer else stretch.part.whole
            if kind_of(entry.row) is not Kind.NOTE:
                self.foreign_tip = entry.uuid
            yield from self._show(entry, f"{stretch.number}.{behind}.{_BEHIND}")

    def _show(self, entry: _Entry, place: str) -> Iterator[None]:
        self.transcript.stand_at(place)
        self.place = int(place.partition(".")[0])
        message = entry.message
        for each in (*self._subagents.before(message), message):
            self.transcript.feed(each, entry.end)
            yield
        self.whole = entry.end


def _is_added(row: Json) -> bool:
    """Whether the CLI has added an entry by itself, for the model: stdout may leave it out."""
    is_synthetic = as_dict(row.get("message")).get("model") == SYNTHETIC
    is_marked = any(row.get(mark) is True for mark in ("isMeta", "isCompactSummary"))
    return is_marked or is_synthetic or row.get("promptSource") == "system"


def _stretch_at(stretches: Sequence[Stretch], begin: int) -> Stretch | None:
    """The newest run that had begun when the entry at byte `begin` was written."""
    return next((each for each in reversed(stretches) if each.start <= begin), None)


def _number_at(stretch: Stretch | None, begin: int) -> int:
    """The number under which an entry is shown that no run has written."""
    if stretch is None:
        return 0
    return stretch.number if stretch.holds(begin) else stretch.number + 1
