"""The part of a conversation that only Claude's history file holds, or the end of it.

The history file repeats the messages on a run's stdout. Lines that no stdout of ours holds are
foreign: another program wrote them, such as a terminal, before, between or during our runs. A line
belongs to the run that printed its uuid, wherever it is in the file.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path

from opcode_htmx.engines.claude.files.lineage import Kind, Lineage, kind_of
from opcode_htmx.engines.claude.files.subagents import Subagents, ended
from opcode_htmx.engines.claude.protocol import json_lines, parser
from opcode_htmx.engines.contents import ToolResult
from opcode_htmx.engines.messages import SYNTHETIC, Message, SystemEvent, User
from opcode_htmx.lib.coerce import Json, as_dict, as_str
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.model.line_reader import Line, LineReader
from opcode_htmx.transcript.conversation.run_part import RunPart
from opcode_htmx.transcript.conversation.starts import Start
from opcode_htmx.transcript.fold import Transcript

SETTLING_SECONDS = 1.0
"""How much later than in history a line of the same run may appear on stdout."""
_LAST = 10**9
"""Sorts after all blocks of one line."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The bytes of the file that a run may have written: from `start` to `end`, if it ended."""

    start: int
    end: int | None
    number: int
    part: RunPart | None
    """None if the run's folder was removed."""

    def contains(self, start: int) -> bool:
        """Whether the run was alive, as far as known, when the entry at byte `start` came."""
        return self.start <= start and (self.end is None or start < self.end)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the history file."""

    start: int
    line: Line
    found: json_lines.Found | None
    read_at: float
    """By the monotonic clock."""

    @property
    def end(self) -> int:
        return self.line.end

    @property
    def content(self) -> Json:
        """The object in the line; empty if there is none."""
        return self.found.content if self.found else {}

    @property
    def message(self) -> Message:
        return parser.message_in(self.found, self.line.data)

    @property
    def uuid(self) -> str:
        return as_str(self.content.get("uuid"))

    @property
    def prompt_id(self) -> str:
        """The id under which a prompt was sent that Claude read during a turn."""
        return as_str(as_dict(self.content.get("attachment")).get("source_uuid"))


@dataclass(slots=True)
class HistoryPart:
    """The transcript of one history file, which is read once, from its beginning or `start` on."""

    path: Path
    transcript: Transcript
    reader: LineReader
    lineage: Lineage = field(default_factory=Lineage)
    start: Start | None = None
    """Where reading begins; None: with the first line."""
    first_number: int = 0
    """The number in the lineage of the first entry that is shown."""
    _has_begun: bool = False
    """Whether the context of the part has been read, and was dropped."""
    _lacks_a_call: bool = False
    """Whether a line has referred to a tool call that was not read."""
    folded_to: int = 0
    """The end of the last line that is folded completely."""
    place: int = 0
    """The number of the stretch that contains the newest block."""
    foreign_tip: str = ""
    """The newest foreign entry that was written while a run of ours was alive."""
    settled: int = -1
    """The number of the newest run before which open blocks were finished."""
    _identity: tuple[int, int] | None = field(init=False)
    """Device and inode at the start, to notice that another file has replaced this one."""
    _subagents: Subagents = field(init=False)
    foreign: set[str] = field(default_factory=set)
    """The uuids of foreign entries that were written while a run of ours was alive."""
    _pending: deque[_Entry] = field(default_factory=deque)
    """Entries that are foreign unless the run's stdout still brings them."""

    def __post_init__(self) -> None:
        self._subagents = Subagents(self.path)
        stat = self._stat()
        self._identity = stat and (stat.st_dev, stat.st_ino)

    @classmethod
    def of(
        cls, path: Path, is_taken: Callable[[str], bool], start: Start | None = None
    ) -> HistoryPart:
        """The part of a file, of which nothing has been read yet."""
        transcript = Transcript("0", run_id=None, is_taken=is_taken)
        if start is None:
            return cls(path, transcript, LineReader(path))
        reader, lineage = LineReader(path, start.context), Lineage(is_part=True)
        return cls(path, transcript, reader, lineage, start)

    def fold(self, stretches: Sequence[Stretch], limit: int | None) -> int:
        """Fold the lines that are new, up to byte `limit`; the number of their bytes.

        `stretches` are those of the runs that have begun so far, in order.
        """
        size, start, slicer = 0, self.reader.offset, TimeSlicer()
        if limit is not None and start >= limit:
            return 0  # without access to the file: there may be hundreds of runs
        self.reader.limit(limit)
        for line in self.reader.read():
            try:
                for _ in self._assign(line, start, stretches):
                    slicer.step()
            except Exception:
                text = line.data.decode("utf-8", "replace")
                self.transcript.add_failed("a line of Claude's history", text, line.end)
                self.folded_to = line.end
            start = line.end
            size += len(line.data)
        return size

    def show_settled(self, stretches: Sequence[Stretch]) -> None:
        """Show pending entries that no stdout will bring; `stretches` are those of all runs."""
        if self._pending and self._is_settled(stretches):
            slicer = TimeSlicer()
            for _ in self._release(stretches):
                slicer.step()

    @property
    def is_cut(self) -> bool:
        """Whether the file is shorter than what was read, or was replaced by another one."""
        stat = self._stat()
        if stat is None or stat.st_size < self.reader.offset:
            return True
        return (stat.st_dev, stat.st_ino) != self._identity

    @property
    def begin(self) -> int:
        """The byte at which its first line begins."""
        return self.start.begin if self.start else 0

    def reaches_back(self, leaf: str) -> bool:
        """Whether a part may not look as in the whole file: a line refers to one before it.

        `leaf` is the entry that Claude continues from.
        """
        if self.start is None:
            return False
        refers_back = self._lacks_a_call or self.transcript.reaches_back
        return refers_back or self.lineage.reaches_back(leaf, self.first_number)

    def _stat(self) -> os.stat_result | None:
        try:
            return self.path.stat()
        except OSError:
            return None

    def finish_before(self, number: int) -> None:
        """Finish the blocks that are open before a run begins."""
        if self.settled < number:
            self.settled = number
            if self.transcript.blocks:
                self.folded_to += 1
                self.transcript.settle(self.folded_to)

    def is_foreign_above(self, leaf: str, ancestor: str) -> bool:
        """Whether a foreign entry lies between `leaf` and the path that leads to `ancestor`."""
        if not self.foreign:
            return False
        above, _ = self.lineage.meeting(leaf, ancestor)
        return any(uuid in self.foreign for uuid in above)

    # --- which run a line belongs to --------------------------------------------------------

    def _assign(self, line: Line, start: int, stretches: Sequence[Stretch]) -> Iterator[None]:
        """Assign a line to its run, or show it, or keep it pending; in steps."""
        found = json_lines.read(line.data)
        entry = _Entry(start, line, found, time.monotonic())
        if self.start and not self._has_begun and line.end > self.start.begin:
            self._has_begun, self.first_number = True, len(self.lineage)
            self.transcript.drop_all()
        self.lineage.add(entry.content)
        stretch = _stretch_at(stretches, start)
        owner, line_end = self._owner(entry, stretches)
        if owner is not None:
            yield from self._release(stretches, owner, line_end)
            self._add_to_run(owner, entry)
        elif stretch is None or stretch.part is None or not stretch.contains(start):
            yield from self._release(stretches)
            yield from self._show(entry, f"{_number_at(stretch, start)}")
        elif self._is_foreign(entry, stretch.part):
            self.foreign.add(entry.uuid)
            self._pending.append(entry)
        else:
            self._add_to_run(stretch.part, entry)

    def _owner(self, entry: _Entry, stretches: Sequence[Stretch]) -> tuple[RunPart | None, int]:
        """The run whose stdout holds the entry, and where its line ends; None, 0 if no run does."""
        uuids = [each for each in (entry.uuid, entry.prompt_id) if each]
        for stretch in reversed(stretches):
            if stretch.part and stretch.start <= entry.start:
                for uuid in uuids:
                    if (end := stretch.part.end_of(uuid)) is not None:
                        return stretch.part, end
        return None, 0

    def _is_foreign(self, entry: _Entry, part: RunPart) -> bool:
        """Whether an entry in a run's stretch, which its stdout does not hold, is foreign.

        stdout would hold the run's prompts and answers; a note belongs to the run of its parent.
        """
        if not entry.uuid:
            return False
        content = entry.content
        if as_str(content.get("parentUuid")) in self.foreign:
            return True
        is_message = kind_of(content) is not Kind.NOTE
        return is_message and not _is_added(content) and not part.has_written(entry.message)

    def _add_to_run(self, part: RunPart, entry: _Entry) -> None:
        content = entry.content
        if entry.uuid in self.lineage:
            part.tip = entry.uuid
            if content.get("type") == "assistant" or content.get("promptSource"):
                part.last_turn = entry.uuid  # not for reports, such as of a change of the model
        elif content.get("rewound") is True and part.end_of(as_str(content.get("cutUuid"))):
            part.tip = as_str(content.get("leafUuid"))
        if not self._pending:
            self.folded_to = entry.end

    # --- showing foreign entries ------------------------------------------------------------

    def _is_settled(self, stretches: Sequence[Stretch]) -> bool:
        """Whether no stdout will bring the pending entries any more."""
        stretch = _stretch_at(stretches, self._pending[0].start)
        if stretch is None or stretch.part is None or stretch.part.is_closed:
            return True
        if time.monotonic() - self._pending[0].read_at > SETTLING_SECONDS:
            return True
        try:
            return time.time() - self.path.stat().st_mtime > SETTLING_SECONDS
        except OSError:
            return True

    def _release(
        self, stretches: Sequence[Stretch], writer: RunPart | None = None, before: int = 0
    ) -> Iterator[None]:
        """Show the pending entries, after all that the run of their stretch has written so far.

        In the run `writer`, before the line of stdout that ends at byte `before`.
        """
        while self._pending:
            entry = self._pending.popleft()
            owner, _ = self._owner(entry, stretches)
            if owner is not None:  # stdout was slower than history
                self.foreign.discard(entry.uuid)
                self._add_to_run(owner, entry)
                continue
            stretch = _stretch_at(stretches, entry.start)
            if stretch is None or stretch.part is None:
                yield from self._show(entry, f"{_number_at(stretch, entry.start)}")
                continue
            after = before - 1 if stretch.part is writer else stretch.part.folded_to
            if kind_of(entry.content) is not Kind.NOTE:
                self.foreign_tip = entry.uuid
            yield from self._show(entry, f"{stretch.number}.{after}.{_LAST}")

    def _show(self, entry: _Entry, place: str) -> Iterator[None]:
        self.transcript.set_place(place)
        self.place = int(place.partition(".")[0])
        message = entry.message
        of_agents = self._subagents.before(message)
        if self.start and not all(map(self.transcript.get, calls_in(message))):
            self._lacks_a_call |= self._has_begun
            of_agents = iter(())
        for each in (*of_agents, message):
            self.transcript.feed(each, entry.end)
            yield
        self.folded_to = entry.end


def calls_in(message: Message) -> Iterator[str]:
    """The ids of the tool calls that a line is about."""
    match message:
        case User():
            for content in message.content:
                if isinstance(content, ToolResult):
                    yield content.tool_use_id
            if end := ended(message):
                yield end[0]
        case SystemEvent(subtype="task_notification"):
            yield from filter(None, [as_str(message.raw.get("tool_use_id"))])
        case _:
            pass


def _is_added(content: Json) -> bool:
    """Whether the CLI itself has added an entry, for the model; stdout may omit those."""
    is_synthetic = as_dict(content.get("message")).get("model") == SYNTHETIC
    is_flagged = any(content.get(flag) is True for flag in ("isMeta", "isCompactSummary"))
    return is_flagged or is_synthetic or content.get("promptSource") == "system"


def _stretch_at(stretches: Sequence[Stretch], start: int) -> Stretch | None:
    """The newest run that had begun when the entry at byte `start` was written."""
    return next((each for each in reversed(stretches) if each.start <= start), None)


def _number_at(stretch: Stretch | None, start: int) -> int:
    """The number under which an entry is shown that belongs to no run."""
    if stretch is None:
        return 0
    return stretch.number if stretch.contains(start) else stretch.number + 1
