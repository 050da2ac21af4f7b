"""A program that draws pages of the PDF document on its stdin; renderer.py starts it for each.

PDFium is written in C++ and reads what strangers wrote, so it has a process that may take little
time and memory, and may start and write nothing. It runs no JavaScript: this build has no engine.

    python -P program.py outline FIRST COUNT WIDTH    JSON of an Outline's members
    python -P program.py draw NUMBER WIDTH            a PNG

Without imports from this package, whose start would take longer than the drawing.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import resource
import select
import signal
import struct
import sys
import zlib
from typing import Any

import pypdfium2
from pypdfium2 import raw

LOCKED, DAMAGED, NO_SUCH_PAGE, NOT_DRAWN = 3, 4, 5, 6
"""Exit statuses."""

CPU_SECONDS = 10
MOST_MEMORY = 1024**3
"""Bytes of address space; the program itself takes about 100 MB."""
MOST_SIDE = 8_000
"""Pixels of the longer side of an image."""
MOST_PIXELS = 4_000_000
_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of linux/prctl.h"""
MOST_SCALE = 4.0
"""Pixels per point (1/72 inch): a stamp is not drawn as large as a poster."""
_LIMITS = (
    (resource.RLIMIT_CPU, CPU_SECONDS),
    (resource.RLIMIT_AS, MOST_MEMORY),
    (resource.RLIMIT_FSIZE, 0),  # stdout is a pipe
    (resource.RLIMIT_NOFILE, 64),
    (resource.RLIMIT_NPROC, 0),
    (resource.RLIMIT_CORE, 0),
)


class _Ended(Exception):
    """The program ends with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def main(arguments: list[str]) -> int:
    """Write what the arguments ask for; the exit status."""
    _end_with_the_server()
    _limit()
    what, numbers = arguments[0], [int(each) for each in arguments[1:]]
    try:
        write = _outline if what == "outline" else _drawn
        output: bytes = write(_opened(), *numbers)
    except _Ended as ended:
        return ended.status
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    return 0


def _end_with_the_server() -> None:
    """Nobody would read the image. Linux only; elsewhere the limit of CPU time ends it."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
    # The server may have ended before: then nobody has the other end of the pipe
    pipe = select.poll()
    pipe.register(sys.stdout.fileno(), 0)
    if pipe.poll(0):
        sys.exit(NOT_DRAWN)


def _limit() -> None:
    """Before the first byte of the document is read, and after the imports."""
    for what, most in _LIMITS:
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS does not take each of them
            resource.setrlimit(what, (most, most))


def _opened() -> Any:
    try:
        return pypdfium2.PdfDocument(sys.stdin.buffer)
    except pypdfium2.PdfiumError as error:
        is_locked = error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY)
        raise _Ended(LOCKED if is_locked else DAMAGED) from error


def _outline(document: Any, first: int, count: int, width: int) -> bytes:
    """The part of `count` pages that has page `first`; the last part if there is no such page."""
    total = len(document)
    first = (min(first, total) - 1) // count * count + 1
    sizes = [
        _size(document, number, width) for number in range(first, min(first + count, total + 1))
    ]
    return json.dumps({"total": total, "first": first, "sizes": sizes}).encode()


def _size(document: Any, number: int, width: int) -> tuple[int, int] | None:
    """The pixels of a page's image; None if it cannot be drawn."""
    try:
        across, down = document.get_page_size(number - 1)
        scale = _scale(across, down, width)
    except (pypdfium2.PdfiumError, _Ended):
        return None
    return max(1, round(across * scale)), max(1, round(down * scale))


def _scale(across: float, down: float, width: int) -> float:
    """Pixels per point of a page of this size in points."""
    if not (0 < across < math.inf and 0 < down < math.inf):
        raise _Ended(NOT_DRAWN)
    by_area = math.sqrt(MOST_PIXELS / across / down)
    scale = min(width / across, MOST_SIDE / across, MOST_SIDE / down, by_area, MOST_SCALE)
    return scale * (1 - 1e-9)  # pixels are rounded up


def _drawn(document: Any, number: int, width: int) -> bytes:
    """A page as a PNG."""
    if not 1 <= number <= len(document):
        raise _Ended(NO_SUCH_PAGE)
    try:
        document.init_forms()  # without it what is filled in a form is not drawn
        page = document[number - 1]
        across, down = page.get_size()
        scale = _scale(across, down, width)
        bitmap = page.render(scale=scale, rev_byteorder=True, limit_image_cache=True)
    except pypdfium2.PdfiumError as error:
        raise _Ended(NOT_DRAWN) from error
    row = 3 * bitmap.width
    content = memoryview(bitmap.buffer).cast("B")
    rows = [content[at : at + row] for at in range(0, bitmap.height * bitmap.stride, bitmap.stride)]
    return png(bitmap.width, bitmap.height, b"".join(rows))


def png(width: int, height: int, pixels: bytes) -> bytes:
    """A PNG of RGB pixels; of a single channel if they are all grey, as pages of text are."""
    channels = 3
    if pixels[0::3] == pixels[1::3] == pixels[2::3]:
        channels, pixels = 1, pixels[0::3]
    row = width * channels
    # each row is preceded by the number of its filter: none
    lines = b"".join(b"\0" + pixels[at : at + row] for at in range(0, height * row, row))
    colours = 2 if channels == 3 else 0
    header = struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
