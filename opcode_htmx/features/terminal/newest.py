"""The end of a terminal's output as plain text, for a page without scripts."""

from __future__ import annotations

import codecs
import contextlib
from pathlib import Path

from opcode_htmx.lib.pty import records, segments
from opcode_htmx.lib.pty.modes import Modes
from opcode_htmx.lib.pty.records import Damaged, Kind, Record
from opcode_htmx.lib.pty.screen import Screen

SHOWN_BYTES, SHOWN_LINES = 32 * 1024, 60


def newest_lines(output: Path) -> str:
    """The last lines, as a terminal of the same size shows them. `output` is the folder."""
    screen, text = None, codecs.getincrementaldecoder("utf-8")("replace")
    found = list[Record]()
    # Records before the damage are shown
    with contextlib.suppress(OSError, Damaged):
        found.extend(segments.newest_records(output, SHOWN_BYTES))
    with contextlib.suppress(Damaged):  # a size that is none
        for record in _newest(found):
            if record.kind is Kind.DATA and screen:
                screen.feed(text.decode(record.content))
            elif record.kind in (Kind.STATE, Kind.SIZE) and screen:
                screen.resize(*record.size)
            elif record.kind is Kind.STATE:
                screen = Screen(*record.size, kept=SHOWN_LINES)
                screen.feed(record.restores.decode("utf-8", "replace"))
    lines = screen.lines() if screen else []
    while lines and not lines[-1]:  # the rows below what was written
        lines.pop()
    return "\n".join(lines[-SHOWN_LINES:]).strip("\n")


def _newest(found: list[Record]) -> list[Record]:
    """The records with the last SHOWN_BYTES of output, and the state of the terminal before."""
    left_out = sum(len(each.content) for each in found if each.kind is Kind.DATA) - SHOWN_BYTES
    size, before = (80, 24), Modes()
    for number, record in enumerate(found if left_out > 0 else ()):
        if record.kind in (Kind.STATE, Kind.SIZE):
            size = record.size
            before.feed(b"" if number else record.restores)
        elif record.kind is Kind.DATA:
            if left_out < len(record.content):
                begin = record.content.find(b"\n", left_out) + 1 or left_out
                before.feed(record.content[:begin])
                state = records.of_state(*size, before.restores())[records.HEAD.size :]
                rest = Record(Kind.DATA, before.unfinished + record.content[begin:], record.end)
                return [Record(Kind.STATE, state, 0), rest, *found[number + 1 :]]
            left_out -= len(record.content)
            before.feed(record.content)
    return found
