"""Lines that are read from a file."""

from __future__ import annotations

from collections.abc import Callable

from opcode_htmx.runs.model.line_reader import LineReader

Append = Callable[[bytes], None]


def read(reader: LineReader, last: bool = False) -> list[bytes]:
    return [line.data for line in reader.read(last)]
