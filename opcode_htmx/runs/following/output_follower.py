"""Follows the stdout of one run, line by line from an offset.

Lines that have just been folded into the state of the run are taken as they were read and parsed
there; all others are read from the file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.model.parsed_lines import ParsedLine


class OutputFollower:
    """Reads at its own pace: a slow one loses nothing, holds no memory, and blocks no other."""

    def __init__(self, run: Run, offset: int = 0, *, needs_messages: bool = False) -> None:
        """`needs_messages`: reading also folds the state of the run, with each line parsed once.

        Without it, what nobody has parsed yet is read without being parsed, which is faster.
        """
        self.offset = offset
        """The end of the newest line that was returned."""
        self._run = run
        self._needs_messages = needs_messages
        self._reader = LineReader(run.folder.output, offset)
        run.lines.add_follower(self)

    def close(self) -> None:
        """Stop following; nothing more may be read."""
        self._run.lines.remove_follower(self)

    def keep_open(self) -> contextlib.AbstractContextManager[None]:
        """Keep the file open meanwhile: then it can be read even after it was removed."""
        return self._reader.keep_open()

    def read(self, last: bool = False) -> Iterator[ParsedLine]:
        """The lines that are complete now; with `last`, also the half line at the end."""
        run, lines = self._run, self._run.lines
        if not run.live and (lines.is_complete or not self._needs_messages):
            yield from self._read_file(None, last)
            return
        if not self._needs_messages and not lines.keeps_after(self.offset):
            yield from self._read_file(None, last)  # as a line that is new always is
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
            elif not self._needs_messages:
                yield from self._read_file(None, last)
                return
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
        self.offset = reader.offset  # there may be blank lines after it
