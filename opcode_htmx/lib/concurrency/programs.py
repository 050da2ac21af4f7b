"""Run a program to its end while other greenlets run, within limits of time and output.

It has no terminal. The rest of its process group is killed when it ends, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import gevent
from gevent import subprocess

from opcode_htmx.lib.dataclass import dataclass

_CHUNK = 64 * 1024


class TookTooLong(Exception):
    """A program was ended because its time was over; the text says so."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program has printed, and its exit status (negative: a signal)."""

    status: int
    output: bytes
    errors: bytes


class BoundedPipe:
    """Reads the first bytes of a pipe; our end is non-blocking."""

    def __init__(self, pipe: IO[bytes], most: int) -> None:
        self._pipe = pipe
        self._left = most
        self._found: list[bytes] = []

    @property
    def is_cut(self) -> bool:
        """Whether there was more than is kept."""
        return self._left < 0

    @property
    def content(self) -> bytes:
        return b"".join(self._found)

    def read(self) -> None:
        """Read to the end, or until there is more than is kept."""
        while not self.is_cut and (chunk := self._pipe.read1(_CHUNK)):  # type: ignore[attr-defined]
            self._add(chunk)

    def drain(self) -> None:
        """Read to the end, so that no full pipe blocks the writer."""
        while chunk := self._pipe.read1(_CHUNK):  # type: ignore[attr-defined]
            self._add(chunk)

    def read_rest(self) -> None:
        """Read what is in the pipe now, once its writer has ended: a daemon may hold it open."""
        with contextlib.suppress(BlockingIOError):
            while not self.is_cut and (chunk := os.read(self._pipe.fileno(), _CHUNK)):
                self._add(chunk)

    def _add(self, chunk: bytes) -> None:
        if self._left > 0:
            self._found.append(chunk[: self._left])
        self._left -= len(chunk)


def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    seconds: float,
    most_bytes: int,
    folder: Path | None = None,
    stdin: bytes = b"",
    joins_errors: bool = False,
    clean_up: Callable[[], object] = lambda: None,
) -> Ended:
    """Run it in a folder, by default that of this process. Raises OSError, TookTooLong.

    `most_bytes` of each output are kept; the rest is read and left out. With `joins_errors` what it
    writes to stderr is part of its output. `clean_up` is called once it has ended.
    """
    child = subprocess.Popen(
        argv,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if joins_errors else subprocess.PIPE,
        start_new_session=True,
    )
    pipes = [pipe for pipe in (child.stdin, child.stdout, child.stderr) if pipe]
    outputs = [BoundedPipe(pipe, most_bytes) for pipe in pipes if pipe is not child.stdin]
    greenlets = [gevent.spawn(each.drain) for each in outputs]
    greenlets.append(gevent.spawn(lambda: _write(child.stdin, stdin)))
    try:
        with gevent.Timeout(seconds, TookTooLong(f"It took longer than {seconds:g} seconds.")):
            status: int = child.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        clean_up()
        gevent.killall(greenlets)
        for each in outputs:
            each.read_rest()
        for pipe in pipes:
            with contextlib.suppress(OSError):
                pipe.close()
    output, *errors = (each.content for each in outputs)
    return Ended(status, output, b"".join(errors))


def _write(pipe: IO[bytes] | None, content: bytes) -> None:
    """Write all of it; a program that ends before has read what it wanted."""
    if pipe:
        with contextlib.suppress(OSError):
            pipe.write(content)
            pipe.close()
