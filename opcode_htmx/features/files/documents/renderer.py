"""Have pages of a PDF document drawn, within limits on time, memory, output and processes."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import gevent
from gevent.lock import BoundedSemaphore

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.concurrency.child_process import ChildProcess
from opcode_htmx.lib.concurrency.programs import BoundedPipe
from opcode_htmx.lib.dataclass import dataclass

WIDTH = 780
"""Pixels of a page's image: twice as many as a phone is wide."""
LARGE_WIDTH = 1600
"""The same for a page that is looked at by itself, and enlarged by two fingers."""
PART_PAGES = 10
SECONDS = 20.0
"""For one image; of the CPU it may have half as many (program.py)."""
WAIT_SECONDS = 30.0
"""For its turn."""
AT_ONCE = 2
"""Processes in one worker; each may take a CPU."""
MOST_BYTES = 16 * 1024 * 1024
_MOST_ERROR_BYTES = 4096
_PROGRAM = Path(__file__).with_name("program.py")

_slots = BoundedSemaphore(AT_ONCE)
log = logging.getLogger(__name__)


class NotDrawn(Exception):
    """A page, or a document, cannot be shown; the text says why."""


class NoSuchPage(Exception):
    """The document has no page of this number."""


class RendererBusy(Exception):
    """Other pages are being drawn for too long."""


REFUSALS: dict[type[Exception], int] = {NotDrawn: 422, NoSuchPage: 404, RendererBusy: 503}
"""Status codes of the exceptions, whose texts are sentences."""

_REASONS = {
    3: "This PDF document is locked by a password. Download it to open it on this device.",
    4: "This PDF document is damaged, so its pages cannot be shown. You can still download it.",
    6: "This page of the PDF document is damaged, or has no size.",
}
"""By the exit statuses of program.py."""
_NO_SUCH_PAGE = 5
_TOO_MUCH = (
    "This PDF document takes too much time or memory to be shown here. "
    "Download it to open it on this device."
)
_FAILED = "The pages of this PDF document could not be drawn. The log of the server says why."


@dataclass(frozen=True, slots=True)
class Outline:
    """Some pages of a document, which are numbered from 1."""

    total: int
    first: int
    sizes: tuple[tuple[int, int] | None, ...]
    """Width and height of the images of the pages from `first` on; None for one without."""

    @property
    def last(self) -> int:
        return self.first + len(self.sizes) - 1


def outline(file: BinaryIO, number: int) -> Outline:
    """The part of a document that has page `number`, or its last part.

    Raises NotDrawn, RendererBusy.
    """
    number = min(max(1, number), 2**31 - 1)
    output = _run(file, "outline", str(number), str(PART_PAGES), str(WIDTH))
    found = bounded_json.loads(output)
    sizes = tuple((each[0], each[1]) if each else None for each in found["sizes"])
    return Outline(found["total"], found["first"], sizes)


def drawn(file: BinaryIO, number: int, width: int) -> bytes:
    """A page as a PNG of at most this width. Raises NotDrawn, NoSuchPage, RendererBusy."""
    return _run(file, "draw", str(min(max(0, number), 2**31 - 1)), str(width))


def _run(file: BinaryIO, *arguments: str) -> bytes:
    if not _slots.acquire(timeout=WAIT_SECONDS):
        raise RendererBusy("Other pages are still being drawn. Try again in a moment.")
    try:
        return _collected(_started(file, arguments))
    finally:
        _slots.release()


def _started(file: BinaryIO, arguments: tuple[str, ...]) -> ChildProcess:
    file.seek(0)
    return ChildProcess(
        sys.executable,
        ["-P", str(_PROGRAM), *arguments],
        {"PYTHONUTF8": "1"},
        stdin_descriptor=file.fileno(),
    )


def _collected(child: ChildProcess) -> bytes:
    """What it writes. Raises NotDrawn, NoSuchPage. It has ended then, also after an error."""
    output = BoundedPipe(child.stdout, MOST_BYTES)
    errors = BoundedPipe(child.stderr, _MOST_ERROR_BYTES)
    reading = gevent.spawn(errors.drain)
    try:
        with gevent.Timeout(SECONDS, NotDrawn(_TOO_MUCH)):
            output.read()
            if not output.is_cut:
                child.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        reading.get()
        child.stdout.close()
        child.stderr.close()
    if output.is_cut:
        raise NotDrawn(_TOO_MUCH)
    status = child.returncode or 0
    if status == _NO_SUCH_PAGE:
        raise NoSuchPage("This PDF document has no such page.")
    if status in _REASONS:
        raise NotDrawn(_REASONS[status])
    if status < 0 or (status and b"MemoryError" in errors.content):
        raise NotDrawn(_TOO_MUCH)
    if status:
        reported = errors.content.decode("utf-8", "replace")
        log.error("a page of a PDF document could not be drawn: %s", reported)
        raise NotDrawn(_FAILED)
    return output.content
