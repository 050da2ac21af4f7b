"""A session as a page shows it: Claude's history and our runs in one order, kept up to date.

The stretches of history that lie between the runs, and the runs themselves, are segments with a
transcript each. A cursor names a segment and a revision in it; it means the same to every server
that reads the files.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gevent.lock import BoundedSemaphore

from ..claude import stream
from ..claude.messages import Message
from ..claude.subagents import Subagents
from ..hub import Pace
from ..runs.notify import Broadcast
from ..runs.phases import Phase
from ..runs.record import Outcome
from ..runs.run import Run
from ..runs.tail import Line, LineReader
from .aside import error_lines
from .blocks import Block
from .progress import Progress
from .todos import Todo, todo_list
from .transcript import Transcript

_CURSOR = re.compile(r"([0-9]{1,6}):([0-9]{1,15})")


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """What a viewer has: everything up to `revision` of the segment with this number."""

    segment: int = 0
    revision: int = 0

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor that `text` holds; the very beginning if it holds none."""
        match = _CURSOR.fullmatch(text)
        return cls(int(match[1]), int(match[2])) if match else cls()

    def __str__(self) -> str:
        return f"{self.segment}:{self.revision}"


@dataclass(slots=True)
class Segment:
    """A run (odd numbers) or the history in front of it (even numbers)."""

    number: int
    reader: LineReader
    transcript: Transcript
    run: Run | None = None
    subagents: Subagents | None = None
    """What stands beside a stretch of history; a run's own output tells of its subagents."""
    whole: int = 0
    """The revision up to which everything has been folded: in the middle of a line, that before."""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A block that differs from what a viewer has, and since which revision of its segment."""

    block: Block
    since: int


@dataclass(slots=True, weakref_slot=True, eq=False)
class Conversation:
    """The blocks of one session and the state of its newest run."""

    session_id: str
    runs: Callable[[], Sequence[Run]]
    """The runs of the session, oldest first."""
    history_file: Callable[[], Path | None]
    changed: Broadcast
    """Notified when there may be more to see."""
    gone: bool = False
    """Whether its files were taken away: who looks at it has to ask anew."""
    size: int = 0
    """Bytes of the lines that were folded, as a measure of the memory that it takes."""
    _segments: dict[int, Segment] = field(default_factory=dict)
    _folding: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(1))

    @property
    def run(self) -> Run | None:
        """The newest run, alive or not."""
        runs = self.runs()
        return runs[-1] if runs else None

    @property
    def cursor(self) -> Cursor:
        if not self._segments:
            return Cursor()
        newest = self._segments[max(self._segments)]
        return Cursor(newest.number, newest.whole)

    @property
    def current(self) -> Block | None:
        """What goes on in the newest run."""
        newest = self._segments[max(self._segments)] if self._segments else None
        return newest.transcript.current if newest and newest.run else None

    @property
    def progress(self) -> Progress:
        progress = Progress()
        for segment in self._ordered():
            progress = segment.transcript.progress.over(progress)
        return progress

    def blocks(self) -> Iterator[Block]:
        """The blocks of the top level, in order."""
        for segment in self._ordered():
            yield from segment.transcript.blocks

    def block(self, block_id: str) -> Block | None:
        found = (segment.transcript.get(block_id) for segment in self._ordered())
        return next(filter(None, found), None)

    def changes_since(self, cursor: Cursor) -> list[Change]:
        """What a viewer at `cursor` lacks, in order of appearance."""
        if cursor.segment > self.cursor.segment:  # runs were cleared away since: it is asked anew
            cursor = Cursor()
        return [
            Change(block, since)
            for segment in self._ordered()
            if segment.number >= cursor.segment
            for since in [cursor.revision if segment.number == cursor.segment else 0]
            for block in segment.transcript.changed_since(since)
        ]

    def todos(self) -> tuple[Todo, ...]:
        """What Claude has noted that it has to do, as it stands now."""
        return todo_list(
            event for segment in self._ordered() for event in segment.transcript.todo_events
        )

    def refresh(self) -> None:
        """Fold what has been written since; gives way to other greenlets where it is much."""
        with self._folding:
            runs = list(self.runs())
            for run in runs[:-1]:
                run.look()  # another worker may have ended it: what comes behind is read after it
            for index, run in enumerate(runs):
                before = runs[index - 1].record.end if index else None
                if before or not index:
                    start = before.history_end if before else 0
                    waits = run.phase is Phase.QUEUED  # the history may grow before it begins
                    self._read_history(
                        2 * index, start, None if waits else run.record.history_start
                    )
                self._read_run(2 * index + 1, run)
            end = runs[-1].record.end if runs else None
            if not runs or end:
                self._read_history(2 * len(runs), end.history_end if end else 0, None)

    def _read_history(self, number: int, start: int, end: int | None) -> None:
        if end is not None and start >= end:
            return
        segment = self._segments.get(number)
        if segment is None:
            path = self.history_file()
            if path is None or not _holds_more(path, start, end):
                return
            transcript = Transcript(f"{number}", run_id=None, taken=self._taken_before(number))
            beside = Subagents(path)
            segment = Segment(number, LineReader(path, start), transcript, subagents=beside)
            self._segments[number] = segment
        if not segment.closed:
            segment.reader.limit(end)
            self._fold(segment)
            if end is not None:
                segment.closed = True
                segment.transcript.close()
                segment.whole = segment.transcript.offset

    def _read_run(self, number: int, run: Run) -> None:
        if run.phase is Phase.QUEUED:
            return
        segment = self._segments.get(number)
        if segment is None and run.record.end and not run.folder.output.exists():
            # The folder was cleared away; what Claude noted of the run is still there
            self._read_history(number, run.record.history_start, run.record.end.history_end)
            return
        if segment is None:
            fresh = run.record.history_start == 0
            cost = 0.0 if fresh else None
            taken = self._taken_before(number)
            transcript = Transcript(f"{number}", run_id=run.id, cost_before=cost, taken=taken)
            segment = Segment(number, LineReader(run.folder.output), transcript, run)
            self._segments[number] = segment
        if not segment.closed:
            end = run.record.end
            self._fold(segment, last=end is not None)
            if end is not None:
                segment.closed = True
                segment.transcript.close(*_last_words(run))
                segment.whole = segment.transcript.offset
                # A run that an earlier server saw end has not been folded for its own state yet
                run.catch_up(last=True)

    def _taken_before(self, number: int) -> Callable[[str], bool]:
        """Whether a block of an earlier segment has an id: Claude may tell a thing again."""

        here = weakref.ref(self)  # else it would only be found by the garbage collector, later

        def taken(block_id: str) -> bool:
            conversation = here()
            segments = conversation._segments.values() if conversation else ()
            earlier = (each for each in segments if each.number < number)
            return any(each.transcript.get(block_id) for each in earlier)

        return taken

    def _fold(self, segment: Segment, last: bool = False) -> None:
        pace = Pace()
        for line in segment.reader.read(last):
            for message in _messages(segment, line):
                segment.transcript.feed(message, line.end)
                pace.step()  # whoever looks meanwhile must not think that it has the whole line
            segment.whole = line.end
            self.size += len(line.data)

    def _ordered(self) -> list[Segment]:
        return [self._segments[number] for number in sorted(self._segments)]


def _messages(segment: Segment, line: Line) -> Iterator[Message]:
    """What a line tells, and in front of it what subagents did whose end it tells."""
    message = stream.parse(line.data)
    if segment.subagents:
        yield from segment.subagents.before(message)
    yield message


def _holds_more(path: Path, start: int, end: int | None) -> bool:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return False
    return start < (size if end is None else min(size, end))


def _last_words(run: Run) -> tuple[str, str]:
    """What the transcript says about the end of a run: an error, and a notice."""
    end = run.record.end
    if end is None:
        return "", ""
    stderr = "\n".join(error_lines(run))
    match end.outcome:
        case Outcome.COMPLETED | Outcome.CANCELLED:
            return "", stderr
        case _:
            return "\n".join(filter(None, (end.cause, stderr))), ""
