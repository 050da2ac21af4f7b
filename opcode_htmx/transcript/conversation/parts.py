"""Read what a conversation consists of: Claude's history file, and the stdout of each run.

Of a long history only the end is read at first, and more of it where the end depends on that.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import field
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.conversation import starts
from opcode_htmx.transcript.conversation.earlier import Earlier
from opcode_htmx.transcript.conversation.history_part import HistoryPart, Stretch
from opcode_htmx.transcript.conversation.run_part import RunPart
from opcode_htmx.transcript.conversation.starts import Start
from opcode_htmx.transcript.fold import Transcript

LONG = 2_000_000
"""Bytes from which on a history counts as long."""
LINES = (120, 800, 3_000)
"""Lines of a long history that are read at first, and when its end depends on earlier ones."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class ConversationParts:
    """The transcripts of one session, each with its place in the order of the page."""

    runs: Callable[[], Sequence[Run]]
    """The runs of the session, oldest first."""
    history_file: Callable[[], Path | None]
    from_end: bool
    """Whether of a long history only the end is read; `earlier` has what is before it."""
    of_runs: dict[int, RunPart] = field(default_factory=dict)
    """The runs' parts by their numbers, which are odd: 1 for the first run."""
    history: HistoryPart | None = None
    earlier: Earlier | None = None
    """The history before the part that is read; None if all of it is."""
    size: int = 0
    """Bytes of the folded lines, as an estimate of the memory in use."""
    changed_by_later_run: list[tuple[int, int, Block]] = field(default_factory=list)
    """Blocks of a run that a later run changed: the later run's number, the revision, the block."""
    _attempt: int = 0
    """Which of LINES are read of a long history; beyond them, all."""

    @property
    def are_empty(self) -> bool:
        return self.history is None and not self.of_runs

    @property
    def newest(self) -> RunPart | None:
        """The part of the newest run that has one."""
        return self.of_runs[max(self.of_runs)] if self.of_runs else None

    def transcripts(self) -> list[Transcript]:
        """The transcript of history, if there is any, and those of the runs, oldest first."""
        history = [self.history.transcript] if self.history else []
        return [*history, *(self.of_runs[number].transcript for number in sorted(self.of_runs))]

    @property
    def is_history_newest(self) -> bool:
        """Whether the newest message is in history and not in the newest run."""
        newest = self.newest
        return self.history is not None and (newest is None or self.history.place > newest.number)

    def by_age(self) -> list[Transcript]:
        """The transcripts, the one with the newest message last."""
        transcripts = self.transcripts()
        return [*transcripts[1:], transcripts[0]] if self.is_history_newest else transcripts

    # --- reading ----------------------------------------------------------------------------

    def read(self) -> None:
        """Fold the lines that are new; other greenlets run while there are many."""
        stretches: list[Stretch] = []
        for index, run in enumerate(self.runs()):
            run.refresh_changed_record()  # another worker may have started or ended the run
            if run.phase is not Phase.QUEUED:
                self._read_history(stretches, run.record.history_start)
                if self.history:
                    self.history.finish_before(2 * index + 1)
                if self.earlier:
                    self.earlier.is_settled = True
                stretches.append(self._read_run(2 * index + 1, run))
        self._read_history(stretches, None)
        if self.history:
            self.history.show_settled(stretches)
        self._mark_sent_as_text()

    def read_more(self) -> None:
        """Read the session anew, and more of its history, because its end depends on it."""
        self._attempt += 1
        self.of_runs, self.history, self.earlier = {}, None, None
        self.changed_by_later_run, self.size = [], 0
        self.read()

    def _read_run(self, number: int, run: Run) -> Stretch:
        part = self.of_runs.get(number)
        end = run.record.end
        # If the folder of an ended run was removed, Claude's history still holds its messages
        if part is None and (end is None or run.folder.output.exists()):
            part = self.of_runs[number] = RunPart.of(run, number, self._taken_before(number))
        if part is not None:
            self.size += part.fold()
        history_end = end.history_end if end else None
        return Stretch(run.record.history_start, history_end, number, part)

    def _mark_sent_as_text(self) -> None:
        """Mark refused commands that a later run has read as text."""
        parts = [self.of_runs[number] for number in sorted(self.of_runs)]
        for number, part in enumerate(parts):
            for prompt_id in part.transcript.refused:
                for later in parts[number + 1 :]:
                    read = later.transcript.get(prompt_id)
                    if read and (block := part.transcript.mark_sent_as_text(prompt_id)):
                        self.changed_by_later_run.append((later.number, read.created, block))

    def _read_history(self, stretches: Sequence[Stretch], limit: int | None) -> None:
        if self.history is None:
            path = None if limit == 0 else self.history_file()
            if path is None:
                return
            start = self._start(path, limit)
            self.history = HistoryPart.of(path, self._taken_before(None), start)
            if start:
                self.earlier = Earlier(self.history, self._taken_before(None))
            if stretches:  # these runs began before there was any history before them
                self.history.settled = stretches[-1].number
        self.size += self.history.fold(stretches, limit)

    def _start(self, path: Path, limit: int | None) -> Start | None:
        """Where to begin in a long history, so that its end is read; None: at its beginning."""
        if not self.from_end:
            return None
        try:
            size = path.stat().st_size
            end = size if limit is None else min(limit, size)
            while end >= LONG and self._attempt < len(LINES):
                start = starts.before(path, end, LINES[self._attempt])
                if start is not None:
                    return None if start == starts.BEGINNING else start
                self._attempt += 1
        except OSError:
            pass
        return None

    def _taken_before(self, number: int | None) -> Callable[[str], bool]:
        """A predicate: whether a block before the run with this number has an id; None: any block.

        Ids are unique on a page: a message repeated in a later part gets another id.
        """
        weak_self = weakref.ref(self)  # a cycle would only be freed by the garbage collector

        def is_taken(block_id: str) -> bool:
            parts = weak_self()
            if parts is None:
                return False
            if number is not None and (history := parts.history):
                known = history.transcript.get(block_id)
                if known is not None and known.position[0] < number:
                    return True
            of_runs = parts.of_runs.values()
            earlier = (part for part in of_runs if number is None or part.number < number)
            return any(part.transcript.get(block_id) for part in earlier)

        return is_taken
