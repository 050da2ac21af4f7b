"""Follows what one run writes to its stdout, line by line from an offset.

A line that the state of the run has just been folded from is taken as it was read and parsed
there; what is older is read from the file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.model.parsed_lines import ParsedLine


class OutputFollower:
    """Goes at its own pace: one that is slow loses nothing, and holds nobody up."""

    def __init__(self, run: Run, offset: int = 0, *, folds_ended: bool = False) -> None:
        """`folds_ended`: whether the state of a run that is over is folded as this reads it.

        For a reader that needs the messages and that state as well; any other one is faster alone.
        """
        self.offset = offset
        """The end of the newest line that was given out."""
        self._run = run
        self._folds_ended = folds_ended
        self._reader = LineReader(run.folder.output, offset)
        run.lines.add_follower(self)

    def close(self) -> None:
        """Nothing more is read."""
        self._run.lines.remove_follower(self)

    def keep_open(self) -> contextlib.AbstractContextManager[None]:
        """Keep the file open meanwhile: it can be read even if it is removed."""
        return self._reader.keep_open()

    def read(self, last: bool = False) -> Iterator[ParsedLine]:
        """The lines that are complete now; with `last`, also what stands behind the last one."""
        run, lines = self._run, self._run.lines
        if not run.live and (lines.is_complete or not self._folds_ended):
            yield from self._read_file(None, last)
            return
        more = True
        while True:
            while line := lines.line_after(self.offset):
                self.offset = line.end
                yield line
            if self.offset < lines.read_to:
                before = self.offset
                yield from self._read_file(lines.next_boundary(before), last)
                if self.offset == before:
                    return  # the file is gone
            elif more:
                before = lines.read_to
                more = run.fold_some_output(last)
                if lines.read_to == before:
                    return
            else:
                return

    def _read_file(self, end: int | None, last: bool) -> Iterator[ParsedLine]:
        reader = self._reader
        if reader.offset != self.offset:
            reader.seek(self.offset)
        reader.limit(end)
        for line in reader.read(last):
            self.offset = line.end
            yield ParsedLine(line.end, line.data, self._run.codec)
        self.offset = reader.offset  # there may be blank lines behind it
