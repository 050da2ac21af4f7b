"""The first rows of a CSV or TSV file as a table, within limits."""

from __future__ import annotations

import csv
import io
from typing import BinaryIO

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tree import text

MOST_BYTES = 500_000
MOST_ROWS = 200
MOST_COLUMNS = 50
MOST_CELL = 300
"""Characters of a cell."""
_SEPARATORS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table, the first of them as its head; all have the same number of cells."""

    head: list[str]
    rows: list[list[str]]
    columns: int
    """The number of columns of the widest row that was read."""
    is_partial: bool
    """Whether the file has more rows than these."""


def table(file: BinaryIO, separator: str) -> Table | None:
    """The table in a file; None if it is no text, or no table."""
    content = file.read(MOST_BYTES + 1) or b""
    return run_cpu_in_thread(_table, content, separator)


def _table(content: bytes, separator: str) -> Table | None:
    is_cut = len(content) > MOST_BYTES
    encoding, bom = text.encoding_of(content[: text.HEAD])
    found = content[len(bom) : MOST_BYTES].decode(encoding, "replace")
    first = found[: found.find("\n")] if "\n" in found else found
    if separator == ",":  # where a comma separates decimals, lists are separated by semicolons
        separator = max(_SEPARATORS, key=lambda each: (first.count(each), each == ","))
    rows: list[list[str]] = []
    columns = 0
    csv.field_size_limit(MOST_BYTES)
    reader = csv.reader(io.StringIO(found, newline=""), delimiter=separator)
    try:
        for row in reader:
            if len(rows) > MOST_ROWS:
                is_cut = True
                break
            columns = max(columns, len(row))
            rows.append([_cell(each) for each in row[:MOST_COLUMNS]])
    except csv.Error:
        is_cut = True
    if not rows or columns == 0:
        return None
    width = min(columns, MOST_COLUMNS)
    rows = [row + [""] * (width - len(row)) for row in rows if row]
    if not rows:
        return None
    return Table(rows[0], rows[1 : MOST_ROWS + 1], columns, is_cut)


def _cell(value: str) -> str:
    return value if len(value) <= MOST_CELL else f"{value[:MOST_CELL]}…"
