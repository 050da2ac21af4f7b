"""A child process that starts in a millisecond, whatever the size of this process.

gevent's Popen forks: the kernel copies the page tables of this process and Python code runs in the
copy, which holds the event loop for 3 to 10 ms. posix_spawn shares the memory until the exec.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import IO, Any, cast

import gevent
from gevent.event import AsyncResult
from gevent.fileobject import FileObjectPosix
from gevent.monkey import get_original
from gevent.os import fork_and_watch

_spawn = get_original("os", "posix_spawn")
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores them; a program expects that they end it."""


class ChildProcess:
    """A program in a session of its own, so without a terminal, whose process group is its `pid`.

    It starts in the main thread, and in the folder of this process: posix_spawn takes no other.
    """

    pid: int
    end: AsyncResult[int]
    """Holds the exit status once it has ended."""
    stdin: IO[bytes] | None = None
    feed: IO[bytes] | None = None
    """Unbuffered: nothing is left to be written when it is closed."""
    stdout: IO[bytes]
    stderr: IO[bytes]

    def __init__(
        self,
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        with_stdin: bool = False,
        stdin_descriptor: int | None = None,
        fed_descriptor: int | None = None,
    ) -> None:
        """Start `program`, a path. Its stdin is empty, or a pipe, or this open file.

        With a `fed_descriptor` it inherits a further pipe under this number, to read from; `feed`
        is our end. No other greenlet runs meanwhile. Raises OSError, and ValueError
        for a null character.
        """
        self.end: AsyncResult[int] = AsyncResult()
        pipes = [os.pipe() for _ in range(2 + with_stdin)]
        if with_stdin:  # the child reads from this one
            pipes[2] = pipes[2][::-1]
        numbers = [1, 2, 0] if with_stdin else [1, 2]
        if fed_descriptor is not None:  # last: it may be our number of a pipe above
            pipes.append(os.pipe()[::-1])
            numbers.append(fed_descriptor)
        ours, theirs = ([pipe[end] for pipe in pipes] for end in (0, 1))
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
            if stdin_descriptor is None
            else (os.POSIX_SPAWN_DUP2, stdin_descriptor, 0),
            *((os.POSIX_SPAWN_DUP2, *pair) for pair in zip(theirs, numbers, strict=True)),
        ]
        gevent.get_hub().loop.install_sigchld()  # the end of a short first child would be missed
        try:
            self.pid = fork_and_watch(
                self._set_status,
                ref=True,
                fork=lambda: _spawn(
                    program,
                    [program, *arguments],
                    environment,
                    file_actions=actions,
                    setsid=True,
                    setsigdef=_DEFAULT_SIGNALS,
                ),
            )
        except BaseException:
            for end in ours:
                os.close(end)
            raise
        finally:
            for end in theirs:
                os.close(end)
        self.stdout, self.stderr = (_file(end, "rb") for end in ours[:2])
        if with_stdin:
            self.stdin = _file(ours[2], "wb")
        if fed_descriptor is not None:
            self.feed = _file(ours[-1], "wb", buffered=False)

    def _set_status(self, watcher: Any) -> None:
        self.end.set(os.waitstatus_to_exitcode(watcher.rstatus))

    @property
    def returncode(self) -> int | None:
        """The exit status, or the negative number of the signal; None while it runs."""
        return self.end.value

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the exit status. Raises gevent.Timeout after `timeout` seconds."""
        return cast(int, self.end.get(timeout=timeout))


def _file(descriptor: int, mode: str, *, buffered: bool = True) -> IO[bytes]:
    """The end of a pipe; reading and writing let other greenlets run."""
    return cast(IO[bytes], FileObjectPosix(descriptor, mode, -1 if buffered else 0))
