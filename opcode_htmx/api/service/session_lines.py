"""The output of the runs of a session, line by line, from a cursor on.

Every client reads at its own pace from its own place: a slow one loses nothing and delays no other,
and one that reconnects goes on where it was. Lines that were just parsed for the run's own state
are shared; all others come from the files. Knows files and runs, not what a line means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from enum import Enum, auto
from typing import NamedTuple

from opcode_htmx.api.service.refusals import BadCursor
from opcode_htmx.engines.messages import Message
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.following.output_follower import OutputFollower
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.model.parsed_lines import ParsedLine
from opcode_htmx.runs.supervisor import Supervisor

_CURSOR = late_pattern(r"([0-9a-f]{32})\.(\d{1,15})\.(\d{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a client has read: a run, and byte offsets in its stdout and its stderr."""

    run_id: str
    output: int = 0
    errors: int = 0

    def __str__(self) -> str:
        return f"{self.run_id}.{self.output}.{self.errors}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises BadCursor."""
        match = _CURSOR.fullmatch(text)
        if not match:
            raise BadCursor("This cursor is none that was given out here.")
        return cls(match[1], int(match[2]), int(match[3]))


class Kind(Enum):
    OUTPUT = auto()
    """A line of Claude's stdout."""
    ERROR = auto()
    """A line of its stderr."""
    END = auto()
    """The run is over, and all its lines have been read."""


class Item(NamedTuple):
    """A line, or the end of a run; `cursor` is the place after it."""

    kind: Kind
    run: Run
    data: bytes
    cursor: Cursor
    line: ParsedLine | None = None
    """The line of the output."""

    @property
    def message(self) -> Message:
        """What Claude says with a line of its stdout."""
        return self.line.message if self.line else self.run.codec.parse(self.data)


class SessionLines:
    """Reads the runs of a session one after the other, each line once and whole."""

    def __init__(
        self,
        supervisor: Supervisor,
        session_id: str,
        cursor: Cursor | None = None,
        *,
        needs_messages: bool = False,
    ) -> None:
        """Read from `cursor`, or from the first line that is still here. Raises BadCursor.

        `needs_messages`: for a reader of the message of every line.
        """
        self._supervisor = supervisor
        self._session_id = session_id
        self._written = supervisor.written(session_id)
        self._needs_messages = needs_messages
        self._run: Run | None = None
        self._end_yielded = False
        self._errors_seen: int | None = None
        """How often stderr had been written when it was read last; None: unknown."""
        self._files = ExitStack()
        if cursor:
            run = next((run for run in self._runs() if run.id == cursor.run_id), None)
            if run is None:
                raise BadCursor("This cursor is of a run that this session does not have.")
            self._open(run, cursor)

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    @property
    def cursor(self) -> Cursor | None:
        """The place up to which has been read; None as long as there is no run."""
        if self._run is None:
            return None
        return Cursor(self._run.id, self._output.offset, self._errors.offset)

    @property
    def version(self) -> int:
        """For `wait`: get it before you read."""
        return self._written.version

    def wait(self, seen: int, timeout: float | None = None) -> int:
        """Wait until something is written after version `seen`, or `timeout` seconds."""
        return self._written.wait(seen, timeout)

    def read(self) -> Iterator[Item]:
        """What has been written by now. Exhaust it, or go on with new SessionLines."""
        run = self._run or self._next()
        while run:
            over = run.record.end is not None  # before reading, so that no last line is missed
            written = run.errors_written
            # most lines come without one of stderr: not to look for it is a tenth of a line's cost
            if over or written is None or written != self._errors_seen:
                for error in self._errors.read(over):
                    place = Cursor(run.id, self._output.offset, error.end)
                    yield Item(Kind.ERROR, run, error.data, place)
                self._errors_seen = written
            stderr = self._errors.offset
            for line in self._output.read(over):
                place = Cursor(run.id, line.end, stderr)
                yield Item(Kind.OUTPUT, run, line.data, place, line)
            if not over:
                return
            if not self._end_yielded:
                self._end_yielded = True
                yield Item(Kind.END, run, b"", Cursor(run.id, self._output.offset, stderr))
            run = self._next()

    def _runs(self) -> list[Run]:
        return self._supervisor.of_session(self._session_id)

    def _next(self) -> Run | None:
        """Open the run after the one that was read; None if there is none yet."""
        runs = self._runs()
        place = next((number for number, run in enumerate(runs, 1) if run is self._run), 0)
        if place == len(runs):
            return None
        self._open(runs[place], Cursor(runs[place].id))
        return runs[place]

    def _open(self, run: Run, cursor: Cursor) -> None:
        self._run, self._end_yielded = run, False
        self._errors_seen = None
        self._files.close()
        self._output = OutputFollower(run, cursor.output, needs_messages=self._needs_messages)
        self._errors = LineReader(run.folder.errors, cursor.errors)
        self._files.callback(self._output.close)
        self._files.enter_context(self._output.keep_open())
        self._files.enter_context(self._errors.keep_open())
