"""The lines of a run's files: read once, folded into its state, and kept for its followers.

Runs that are over are kept for long, so what only a live one needs is made when it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from weakref import WeakSet

from gevent.lock import BoundedSemaphore

from opcode_htmx.engines.base import Parser
from opcode_htmx.runs.model.line_reader import KeptFiles, LineReader
from opcode_htmx.runs.model.parsed_lines import (
    Follower,
    LineBuffer,
    ParsedLine,
    ParsedLines,
)
from opcode_htmx.runs.model.run_folder import RunFolder

KEPT_OPEN = KeptFiles(64)
"""The outputs of the live runs that have written last: a fifth of a line's CPU time otherwise goes
into opening its file."""
LINES_AT_ONCE = 100
"""Lines of a file that are folded before other greenlets have their turn."""


class RunLines:
    """One for each run and worker."""

    __slots__ = (
        "_buffer",
        "_fold_input",
        "_fold_output",
        "_followers",
        "_folding",
        "_input",
        "_output",
        "_read_to",
    )

    def __init__(
        self,
        folder: RunFolder,
        parser: Parser,
        fold_input: Callable[[ParsedLine], None],
        fold_output: Callable[[ParsedLine], None],
        *,
        is_over: bool,
    ) -> None:
        """`fold_input` gets each line that was sent, `fold_output` each line of stdout."""
        self._fold_input = fold_input
        self._fold_output = fold_output
        self._output: ParsedLines | None = ParsedLines(
            LineReader(folder.output, kept=None if is_over else KEPT_OPEN), parser
        )
        """None once all has been read that will ever come."""
        self._read_to = 0
        # lines of our own are read whole, however many images are in them
        self._input = ParsedLines(LineReader(folder.input_log, longest=math.inf), parser)
        self._folding = BoundedSemaphore(1)
        self._followers: WeakSet[Follower] | None = None
        self._buffer: LineBuffer | None = None
        """There as long as there are followers."""

    @property
    def read_to(self) -> int:
        """How far the output has been read: the byte offset after the last whole line."""
        return self._output.offset if self._output else self._read_to

    @property
    def has_unread_input(self) -> bool:
        """Whether lines were sent that have not been folded."""
        return self._input.has_unread()

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is folded: all that will ever come has been, or the run is over."""
        return self._output is None

    def fold_some(self, *, last: bool, is_over: bool, for_output: bool = False) -> bool:
        """Fold the first of the new lines; False if those were all.

        `last`: also the half line at the end; `is_over`: the run writes no more; `for_output`:
        nothing is done where the output has no new line.
        """
        with self._folding:
            is_new = self._output is not None and (last or self._output.has_unread())
            if for_output and not is_new:
                return False
            # the input first: Claude has read it before it wrote about it
            is_sent = last or self._input.has_unread()
            more = is_sent and self._fold(self._input, self._fold_input, last)
            if is_new and self._output:
                if self._buffer:
                    self._buffer.trim(self._followers or ())
                more |= self._fold(self._output, self._keep_and_fold, last)
                if last and is_over and not more:
                    self._complete()
            return more

    def conclude(self) -> None:
        """The run is over: what was needed to follow it is not kept."""
        self._complete()
        self._followers = self._buffer = None

    def let_go(self) -> None:
        """Keep the file open no longer: nobody follows it."""
        if self._output:
            self._output.let_go()

    def _complete(self) -> None:
        self.let_go()
        if self._output:
            self._read_to, self._output = self._output.offset, None

    def _fold(self, lines: ParsedLines, fold: Callable[[ParsedLine], None], last: bool) -> bool:
        count = 0
        for line in lines.read(LINES_AT_ONCE, last):
            fold(line)
            count += 1
        return count == LINES_AT_ONCE

    def _keep_and_fold(self, line: ParsedLine) -> None:
        if self._buffer:
            self._buffer.add(line)
        self._fold_output(line)

    # --- followers --------------------------------------------------------------------------

    def add_follower(self, follower: Follower) -> None:
        """Keep the lines from now on until `follower` has taken them, as long as it keeps up."""
        if self._output is None:
            return
        if self._followers is None or self._buffer is None:
            self._followers, self._buffer = WeakSet(), LineBuffer(self._output.offset)
        self._followers.add(follower)

    def remove_follower(self, follower: Follower) -> None:
        if self._followers is not None:
            self._followers.discard(follower)
            if not self._followers:
                self._followers = self._buffer = None

    def keeps_after(self, offset: int) -> bool:
        """Whether anything after `offset` has been read: it may be kept."""
        return self._output is None or self._output.offset > offset

    def line_after(self, offset: int) -> ParsedLine | None:
        """The line of the output that begins at `offset`, if it is kept."""
        return self._buffer.after(offset) if self._buffer else None

    def next_boundary(self, offset: int) -> int:
        """The end of a line after `offset`, up to which a follower reads the file by itself."""
        boundary = self._buffer.next_boundary(offset) if self._buffer else None
        return self.read_to if boundary is None else boundary
