"""The host of a terminal: a small process that owns the PTY and outlives the server.

    python -m opcode_htmx.lib.pty.host FOLDER DESCRIPTOR

reads what to start from stdin as JSON ({argv, environment, columns, rows}), starts it in the folder
of the inherited descriptor, detaches itself, and keeps the output in FOLDER. It imports nothing
from outside the standard library, and takes orders through two named pipes (messages.py). Whoever
can open their folder could also read the memory of this process.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path

from opcode_htmx.lib.pty import child, messages
from opcode_htmx.lib.pty.messages import CONTROL, INPUT, MessageReader
from opcode_htmx.lib.pty.segments import FOLDER, SegmentWriter
from opcode_htmx.lib.pty.throttle import Throttle

READ_BYTES = 64 * 1024
MOST_PENDING = 32 * 1024
"""Bytes that were typed and that the program has not read yet; then no more are taken."""
RESIZE_SECONDS = 0.05
"""The least time between two sizes: of a storm only the last one of each such time counts."""
RETRY_SECONDS = 1.0
"""After a write to a full disk; the program waits."""
DRAIN_SECONDS = 0.5
"""How long the last output is waited for: what is left in the background may write on."""
LOG = "host.log"


class Host:
    """One terminal, from its start to its end."""

    def __init__(self, folder: Path, pid: int, master: int, columns: int, rows: int) -> None:
        self._pid = pid
        self._master = master
        self._size = self._wanted = columns, rows
        self._resized_at = 0.0
        self._output = SegmentWriter(folder / FOLDER, columns, rows)
        self._throttle = Throttle(time.monotonic())
        self._pipes = {
            # For reading and writing: it has no end when the last writer goes
            name: os.open(folder / name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            for name in (INPUT, CONTROL)
        }
        self._readers = {name: MessageReader() for name in self._pipes}
        self._leader = messages.NO_VIEWER
        """The viewer that typed last, or has set the size."""
        self._pending = bytearray()
        self._unwritten = b""
        self._retry_at = 0.0
        self._hung_up_at = 0.0
        self._wake = os.pipe()
        for descriptor in self._wake:
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wake[1])
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._hang_up())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def run(self) -> None:
        """Serve until the program has ended."""
        while (status := self._exit_status()) is None:
            if self._hung_up_at and time.monotonic() - self._hung_up_at > child.GRACE_SECONDS:
                child.kill_session(self._pid)
            self._step()
        self._drain()
        if self._hung_up_at:
            child.kill_session(self._pid)
        os.close(self._master)
        self._write_end(status)

    def _step(self) -> None:
        """Wait until something can be done, and do it."""
        now = time.monotonic()
        delay = self._delay(now)
        takes = [self._wake[0], self._pipes[CONTROL]]
        if len(self._pending) < MOST_PENDING:
            takes.append(self._pipes[INPUT])
        if delay <= 0 and not self._unwritten:
            takes.append(self._master)
        types = [self._master] if self._pending else []
        readable, writable, _ = select.select(takes, types, [], self._timeout(now, delay))
        if self._wake[0] in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake[0], 4096)
        for name, descriptor in self._pipes.items():
            if descriptor in readable:
                self._take_orders(name)
        self._apply_size(time.monotonic())
        if writable:
            self._type()
        if self._master in readable:
            self._read()
        elif delay <= 0:
            self._write_rest()

    def _delay(self, now: float) -> float:
        """Seconds for which no output is read."""
        if self._unwritten:
            return max(0.0, self._retry_at - now)
        return self._throttle.wait(self._output.offset, now)

    def _timeout(self, now: float, delay: float) -> float | None:
        """Of the wait for something to do, in seconds; None: until something comes."""
        times = [delay] if delay > 0 or self._unwritten else []
        if self._wanted != self._size:
            times.append(max(0.0, self._resized_at + RESIZE_SECONDS - now))
        if self._hung_up_at:
            times.append(0.1)
        return min(times, default=None)

    # --- orders -----------------------------------------------------------------------------

    def _take_orders(self, name: str) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._pipes[name], MOST_PENDING)
            for letter, content in self._readers[name].feed(data):
                with contextlib.suppress(ValueError, OSError):
                    self._obey(letter, content)

    def _obey(self, letter: bytes, content: bytes) -> None:
        if letter in (messages.TYPED, messages.ANSWER, messages.SIZE):
            viewer, content = messages.viewer_in(content)
            # Each viewer's terminal answers a question of the program; it wants one answer
            if letter == messages.ANSWER and viewer != self._leader:
                return
            if viewer != messages.NO_VIEWER:
                self._leader = viewer
            if letter == messages.SIZE:
                self._wanted = messages.size_in(content)
            else:
                self._pending += content
                self._type()
        elif letter == messages.SEEN:
            self._throttle.seen(messages.offset_in(content))
        elif letter == messages.REDRAW:
            if self._output.modes.uses_alternate_screen:
                child.redraw(self._master, *self._size)
        elif letter == messages.HANG_UP:
            self._hang_up()

    def _hang_up(self) -> None:
        if not self._hung_up_at:
            self._hung_up_at = time.monotonic()
            child.hang_up(self._pid, self._master)

    def _apply_size(self, now: float) -> None:
        if self._wanted != self._size and now - self._resized_at >= RESIZE_SECONDS:
            self._size, self._resized_at = self._wanted, now
            # The output so far was written for the old size
            self._read()
            with contextlib.suppress(OSError):
                self._output.size(*self._size)
            child.resize(self._master, *self._size)

    def _type(self) -> None:
        try:
            while self._pending:
                del self._pending[: os.write(self._master, self._pending[:4096])]
        except BlockingIOError:
            pass  # the program has not read what was typed before
        except OSError:  # nobody has the terminal open
            self._pending.clear()

    # --- output -----------------------------------------------------------------------------

    def _read(self) -> bool:
        """Read what is there, and keep it. Whether there may be more."""
        parts, count, more = [], 0, True
        while count < READ_BYTES:
            try:
                part = os.read(self._master, READ_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EIO:  # nobody has the terminal open
                    raise
                part = b""
            if not part:
                more = False
                break
            parts.append(part)
            count += len(part)
        if not more:
            time.sleep(0.01)  # until SIGCHLD, or until a program opens the terminal again
        self._throttle.read(count)
        self._unwritten += b"".join(parts)
        self._write_rest()
        return bool(count)

    def _write_rest(self) -> None:
        if not self._unwritten:
            return
        try:
            self._output.data(self._unwritten)
        except OSError:
            self._retry_at = time.monotonic() + RETRY_SECONDS
        else:
            self._unwritten = b""

    # --- the end ----------------------------------------------------------------------------

    def _exit_status(self) -> int | None:
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def _drain(self) -> None:
        """Read the last output of a program that has ended."""
        until = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < until:
            readable, _, _ = select.select([self._master], [], [], 0.1)
            if not readable or not self._read():
                return

    def _write_end(self, status: int) -> None:
        while True:
            try:
                self._output.end(status, time.time())
                return
            except OSError:
                time.sleep(RETRY_SECONDS)


def main(folder: Path, descriptor: int) -> None:
    """Start what stdin describes, answer with the pids, and serve in the background."""
    order = json.load(sys.stdin)
    size = order["columns"], order["rows"]
    answer_to = os.dup(1)
    if os.fork():
        os._exit(0)
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, target in ((0, nowhere), (1, nowhere), (2, log)):
        os.dup2(target, number)
    try:
        pid, master = child.start(order["argv"], order["environment"], descriptor, *size)
        del order
        os.close(descriptor)
        host = Host(folder, pid, master, *size)
        os.write(answer_to, json.dumps({"host": os.getpid(), "program": pid}).encode())
        os.close(answer_to)
        host.run()
    except BaseException:
        traceback.print_exc()
        raise


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
