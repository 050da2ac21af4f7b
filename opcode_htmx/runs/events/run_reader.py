"""Derive the events of one run from its files: the record, the input and the output.

Emits nothing. A line that is read twice results in the same event.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.identity import (
    ENGINE,
    SYSTEM,
    UNKNOWN,
    Identity,
)
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.events import fold, types
from opcode_htmx.runs.events.fold import Derived, EventFold
from opcode_htmx.runs.events.progress import Progress
from opcode_htmx.runs.events.types import (
    PermissionAnswered,
    PromptSubmitted,
    RunEnded,
    RunEvent,
    RunStarted,
    RunWarned,
)
from opcode_htmx.runs.model import actors
from opcode_htmx.runs.model.actors import Act, Actor
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.model.record import Outcome, RunEnd

MOST_AT_ONCE = 200
"""Events after which the rest is left to the next read: other greenlets run in between."""
CHUNK_BYTES = 64 * 1024
"""Bytes that are searched at once for the end of a file's last line."""


class RunEventReader:
    """Reads the events since `progress`, and advances it."""

    def __init__(self, run: Run, saved: bytes, progress: Progress) -> None:
        self.progress = progress
        self.saved = saved
        """The content of the file in the run's folder from which `progress` was loaded."""
        self.unsaved = False
        """Whether that file has to be replaced even without an event."""
        self.committed: set[str] = set()
        """Ids of events in the journal that `saved` does not count."""
        self.has_more = False
        """Whether the last read has left lines unread."""
        self._run = run
        self._fold = EventFold(progress)
        self._open()

    def _open(self) -> None:
        folder = self._run.folder
        # our own lines are read at any length, as the run reads them
        self._input = LineReader(folder.input_log, self.progress.input, longest=math.inf)
        self._output = LineReader(folder.output, self.progress.output)

    def skip_past(self) -> None:
        """Start at the current state: the run is of a version that emitted no events."""
        run, state = self._run, self._run.state
        self.progress.started = run.record.launched
        self.progress.model = state.model
        self.progress.asks = {
            fold.key_of(key): fold.clip(fold.subject_of(ask)) for key, ask in state.asks.items()
        }
        self.progress.input = _end_of_lines(run.folder.input_log)
        self.progress.output = _end_of_lines(run.folder.output)
        self.unsaved = True
        self._open()

    def read(self, over: bool) -> list[RunEvent]:
        """The next new events; `over`: the run has ended. Read again while `has_more`."""
        derived = [*self._started(), *self._lines(over)]
        if not self.has_more:
            derived += self._ended() if over else self._warned()
        if not derived:
            return []
        recorded = actors.read(self._run.folder.path)  # an actor is recorded before its line
        return [self._complete(each, recorded) for each in derived]

    def _started(self) -> Iterator[Derived]:
        record = self._run.record
        if record.launched and not self.progress.started:
            self.progress.started = True
            at = record.process_started_at or record.created_at
            yield Derived(RunStarted, "", {}, ((Act.START, ""),), at)

    def _lines(self, over: bool) -> Iterator[Derived]:
        self.has_more = False
        count = 0
        yield from self._sent(over)
        for line in yielding(self._output.read(over)):
            if fold.may_derive(line.data):
                # Claude's line may refer to a prompt that was sent meanwhile
                yield from self._sent(over)
                yield from self._fold.apply_output(self._run.codec.parse(line.data), line.end)
                count += 1
                if count == MOST_AT_ONCE:
                    self.has_more = True
                    break
        self.progress.output = self._output.offset

    def _sent(self, over: bool) -> Iterator[Derived]:
        for line in self._input.read(over):
            yield from self._fold.apply_input(self._run.codec.parse(line.data), line.end)
        self.progress.input = self._input.offset

    def _warned(self) -> Iterator[Derived]:
        now = {about: text for about, text in self._run.warnings.items() if text}
        for about, text in now.items():
            if about not in self.progress.warnings:
                number = self.progress.warned[about] = self.progress.warned.get(about, 0) + 1
                content = {"about": about, "text": text}
                yield Derived(RunWarned, f"{about}.{number}", content)
        # the end of a warning is stored with the next event
        self.progress.warnings = list(now)

    def _ended(self) -> Iterator[Derived]:
        if end := self._run.record.end:
            content = {"outcome": end.outcome, "cause": end.cause, "exit_status": end.exit_status}
            yield Derived(RunEnded, "", content, at=end.at)

    def _complete(self, derived: Derived, recorded: Mapping[tuple[str, str], Actor]) -> RunEvent:
        record = self._run.record
        actor = next((recorded[act] for act in derived.acts if act in recorded), None)
        if derived.kind is RunEnded and record.end:
            by = self._ended_by(record.end, recorded)
        elif derived.kind is RunWarned:
            by = SYSTEM
        else:
            by = actor.by if actor else UNKNOWN if derived.acts else ENGINE
        is_act = derived.kind in (PromptSubmitted, PermissionAnswered)
        at = derived.at or (actor.at if actor and is_act else time.time())
        name = types.name_of(derived.kind)
        return derived.kind(
            id=".".join(filter(None, (record.id, name, derived.key))),
            at=at,
            run_id=record.id,
            session_id=record.session_id,
            project_path=record.project_path,
            by=by,
            **derived.content,
        )

    def _ended_by(self, end: RunEnd, recorded: Mapping[tuple[str, str], Actor]) -> Identity:
        """The actor of the stop that ended the run; without a stop, Claude ended by itself."""
        stop = self._run.folder.asked_to_stop()
        if stop is None:
            return UNKNOWN if end.outcome is Outcome.INTERRUPTED else ENGINE
        actor = recorded.get((Act.STOP, actors.stop_key(stop.at)))
        return actor.by if actor else UNKNOWN


def _end_of_lines(path: Path) -> int:
    """The offset after the last complete line of a file; 0 without one."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            while end > 0:
                begin = max(0, end - CHUNK_BYTES)
                file.seek(begin)
                found = file.read(end - begin).rfind(b"\n")
                if found >= 0:
                    return begin + found + 1
                end = begin
    except FileNotFoundError:
        pass
    return 0
