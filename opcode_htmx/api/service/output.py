"""A page of what the runs of a session have written, for one REST request."""

from __future__ import annotations

import time

from opcode_htmx.api.service.session_lines import (
    Cursor,
    Item,
    Kind,
    SessionLines,
)
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.supervisor import Supervisor

MAX_BYTES = 4 * 1024 * 1024
"""Of lines in one page: the rest comes after the next cursor."""


@dataclass(frozen=True, slots=True)
class OutputPage:
    """Lines of stdout and stderr; `cursor` is the place after them, None as long as no run is."""

    lines: list[Item]
    cursor: Cursor | None


def read_page(
    supervisor: Supervisor, session_id: str, after: str | None, *, limit: int, wait: float
) -> OutputPage:
    """The lines after a cursor, `limit` at most; waits `wait` seconds for the first of them.

    Raises BadCursor.
    """
    reader = SessionLines(supervisor, session_id, Cursor.parse(after) if after else None)
    deadline = time.monotonic() + wait
    try:
        while True:
            seen = reader.version
            page = _written(reader, limit)
            rest = deadline - time.monotonic()
            if page.lines or rest <= 0 or not _more_may_come(supervisor, session_id):
                return page
            reader.wait(seen, rest)
    finally:
        reader.close()


def _written(reader: SessionLines, limit: int) -> OutputPage:
    found: list[Item] = []
    size = 0
    cursor = reader.cursor
    slicer = TimeSlicer()
    for item in reader.read():
        cursor = item.cursor
        if item.kind is Kind.END:
            continue
        found.append(item)
        size += len(item.data)
        if len(found) >= limit or size >= MAX_BYTES:
            break
        slicer.step()
    return OutputPage(found, cursor)


def _more_may_come(supervisor: Supervisor, session_id: str) -> bool:
    return any(run.live for run in supervisor.of_session(session_id))
