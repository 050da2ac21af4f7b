"""The writing ends of a terminal's named pipes: what is typed, and orders to its host."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import gevent
from gevent.lock import BoundedSemaphore

from opcode_htmx.lib.pty import messages
from opcode_htmx.lib.pty.messages import CONTROL, INPUT, NO_VIEWER
from opcode_htmx.sessions.terminals.model import TerminalEnded

_POLL_SECONDS, _LONGEST_POLL = 0.002, 0.05
ENDED = "This terminal has ended."


def is_live(folder: Path) -> bool:
    """Whether a host serves the terminal in this folder: only it reads the pipes."""
    try:
        os.close(_open(folder / CONTROL))
    except (OSError, TerminalEnded):
        return False
    return True


def order(folder: Path, message: bytes) -> None:
    """Send one order to a host. Raises TerminalEnded; OSError where the host is overrun."""
    descriptor = _open(folder / CONTROL)
    try:
        _write(descriptor, message)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def keyboard(folder: Path, viewer: bytes = NO_VIEWER) -> Iterator[Keyboard]:
    """The keyboard of a terminal, open for many writes. Raises TerminalEnded."""
    found = Keyboard(folder, viewer)
    try:
        yield found
    finally:
        found.close()


class Keyboard:
    """Types into a terminal, as fast as its program reads."""

    def __init__(self, folder: Path, viewer: bytes = NO_VIEWER) -> None:
        """`viewer` is its id, for the host. Raises TerminalEnded."""
        self._folder = folder
        self._viewer = viewer
        self._input = _open(folder / INPUT)
        try:
            self._control = _open(folder / CONTROL)
        except BaseException:
            os.close(self._input)
            raise
        self._lock = BoundedSemaphore(1)

    def type(self, data: bytes) -> None:
        """Wait until the host has taken all of it. Raises TerminalEnded."""
        with self._lock:
            for message in messages.typed(data, self._viewer):
                pause = _POLL_SECONDS
                while not self._typed(message):
                    gevent.sleep(pause)
                    pause = min(2 * pause, _LONGEST_POLL)

    def answer(self, data: bytes) -> None:
        """Pass on what the viewer's terminal has answered. Raises TerminalEnded."""
        with self._lock, contextlib.suppress(BlockingIOError):
            _write(self._input, messages.answer(data, self._viewer))

    def resize(self, columns: int, rows: int) -> None:
        """Raises TerminalEnded."""
        self.order(messages.size(columns, rows, self._viewer))

    def is_live(self) -> bool:
        """Whether the host still reads."""
        return is_live(self._folder)

    def order(self, message: bytes) -> None:
        """Send an order; one that a busy host cannot take is dropped. Raises TerminalEnded."""
        with contextlib.suppress(BlockingIOError):
            _write(self._control, message)

    def close(self) -> None:
        os.close(self._input)
        os.close(self._control)

    def _typed(self, message: bytes) -> bool:
        try:
            _write(self._input, message)
        except BlockingIOError:
            return False
        return True


def _open(path: Path) -> int:
    """Raises TerminalEnded."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            raise TerminalEnded(ENDED) from None
        raise


def _write(descriptor: int, message: bytes) -> None:
    try:
        os.write(descriptor, message)
    except BrokenPipeError:
        raise TerminalEnded(ENDED) from None
