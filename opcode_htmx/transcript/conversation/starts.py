"""Find a line of a history file at which a part of it can begin, backwards from an offset.

A part begins with a line that begins a block of its own: a prompt, or a new message of Claude's.
The lines in front of it are read as its context, so that its blocks are those of the whole file;
what refers further back is noticed when the part is folded, and the part then begins earlier.
"""

from __future__ import annotations

import os
from pathlib import Path

from opcode_htmx.engines.claude.protocol import json_lines, parser
from opcode_htmx.engines.claude.protocol.user_entries import parts_of
from opcode_htmx.engines.contents import ToolUse
from opcode_htmx.engines.messages import Assistant, Message, User
from opcode_htmx.engines.streamed_text import kind_and_text
from opcode_htmx.engines.user_parts import Prompt
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer
from opcode_htmx.lib.dataclass import dataclass

CONTEXT = 40
"""Lines in front of a part that are read with it."""
CANDIDATES = 400
"""Lines among which one is looked for that can begin a part."""
FIRST_READ = 512 * 1024
MOST_BYTES = 16_000_000
"""Of one part with its context; longer ones would cost more than they save."""


@dataclass(frozen=True, slots=True)
class Start:
    """Byte offsets: of the first line of the context, and of the line that begins the part."""

    context: int
    begin: int


BEGINNING = Start(0, 0)
"""Of the whole file."""


def before(path: Path, end: int, lines: int) -> Start | None:
    """Where a part can begin that ends at byte `end` and has about `lines` lines.

    A line that is not whole yet is none. BEGINNING if the file has no more lines. None if none of
    them can begin a part, or they are too long. Raises OSError.
    """
    read = _lines_before(path, end, lines + CONTEXT)
    if not isinstance(read, tuple):
        return read
    offsets, data = read
    base, slicer = offsets[0], TimeSlicer()
    last_message = ""
    ends = [*offsets[1:], base + len(data)]
    for number, (start, line_end) in enumerate(zip(offsets, ends, strict=True)):
        if number > CONTEXT + CANDIDATES:
            break
        slicer.step()
        line = data[start - base : line_end - base].strip()
        found = json_lines.read(line) if line else None
        if found is None:
            continue
        message = parser.message_in(found, line)
        is_summary = found.content.get("isCompactSummary") is True
        if number >= CONTEXT and not is_summary and _begins_block(message, last_message):
            return Start(base, start)
        if isinstance(message, Assistant):
            last_message = message.message_id
    return None


def _lines_before(path: Path, end: int, count: int) -> tuple[list[int], bytes] | Start | None:
    """The offsets of the last `count` whole lines before byte `end`, and their bytes.

    BEGINNING if there are fewer; None if they are too long.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        size = FIRST_READ
        while True:
            at = max(0, end - size)
            data = os.pread(file, end - at, at)
            if data.count(b"\n") > count:
                break
            if at == 0:
                return BEGINNING
            if size >= MOST_BYTES:
                return None
            size *= 2
    finally:
        os.close(file)
    data = data[: data.rfind(b"\n") + 1]
    cut = len(data) - 1
    offsets: list[int] = []
    while len(offsets) < count:
        cut = data.rfind(b"\n", 0, cut)  # it ends the line in front
        offsets.append(at + cut + 1)
    offsets.reverse()
    return offsets, data[offsets[0] - at :]


def _begins_block(message: Message, last_message: str) -> bool:
    """Whether the first block of a message is new, whatever precedes it."""
    match message:
        case Assistant(parent=None, error=None, content=(first, *_)) if message.uuid:
            is_new = message.message_id != last_message
            text = kind_and_text(first)[1]
            return is_new and (isinstance(first, ToolUse) or bool(text.strip()))
        case User(parent=None, is_meta=False, is_refused=False) if message.uuid:
            first_part = next(iter(parts_of(message)), None)
            return isinstance(first_part, Prompt) and bool(first_part.text.strip())
        case _:
            return False
