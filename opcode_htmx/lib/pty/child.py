"""The program in a terminal: started on a new PTY, and ended with all of its session.

Without imports from outside the standard library; see host.py.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_IUTF8 = 0x4000
"""Linux' own flag, without which the erase key deletes bytes."""
GRACE_SECONDS = 2.0
"""Between the hang-up and the kill."""
_POLL_SECONDS = 0.05
_NO_SUCH_PROGRAM = 127


def start(
    argv: Sequence[str], environment: Mapping[str, str], folder: int, columns: int, rows: int
) -> tuple[int, int]:
    """Start a program in an open folder. Its pid and the PTY's master, which does not block.

    A program that cannot be started says so in the terminal, with exit status 127. Raises OSError.
    """
    master, slave = os.openpty()
    _prepare(slave)
    resize(master, columns, rows)
    pid = os.fork()
    if pid == 0:
        _become(argv, environment, folder, slave)
    os.close(slave)
    os.set_blocking(master, False)
    os.set_inheritable(master, False)
    return pid, master


def resize(master: int, columns: int, rows: int) -> None:
    """Set the size; the kernel notifies the program by SIGWINCH."""
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def redraw(master: int, columns: int, rows: int) -> None:
    """Have a program with a screen of its own draw it again: it does so at each new size."""
    resize(master, columns, max(1, rows - 1))
    time.sleep(0.03)  # two changes at once would be none for a program that looks later
    resize(master, columns, rows)


def hang_up(leader: int, master: int) -> None:
    """Notify the program, and what it has in the foreground, that the terminal goes away."""
    groups = {leader}
    with contextlib.suppress(OSError):
        groups.add(os.tcgetpgrp(master))
    for group in groups:
        for number in (signal.SIGHUP, signal.SIGCONT):
            with contextlib.suppress(OSError):
                os.killpg(group, number)


def kill_session(leader: int) -> None:
    """Kill every process of the terminal's session that is left."""
    for pid in (leader, *_members(leader)):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _members(leader: int) -> list[int]:
    """The other processes of the session of `leader`, where the system lists them in /proc."""
    try:
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    except OSError:
        return []
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            if os.getsid(pid) == leader and pid != leader:
                found.append(pid)
    return found


def _prepare(slave: int) -> None:
    if sys.platform == "linux":
        attributes = termios.tcgetattr(slave)
        attributes[0] |= _IUTF8
        termios.tcsetattr(slave, termios.TCSANOW, attributes)


def _expect_signals() -> None:
    """No signal stays ignored or blocked: a server in the background of a script ignores Ctrl-C."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError):  # those that the C library keeps for itself
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _become(argv: Sequence[str], environment: Mapping[str, str], folder: int, slave: int) -> None:
    """Become the program; never returns."""
    try:
        _expect_signals()
        os.fchdir(folder)
        os.login_tty(slave)
        os.closerange(3, 256)
        os.execvpe(argv[0], list(argv), dict(environment))  # noqa: S606  # no shell is wanted
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(2, f"{argv[0]} cannot be started: {error}\r\n".encode())
    finally:
        os._exit(_NO_SUCH_PROGRAM)
