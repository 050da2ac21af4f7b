"""Read the stack of another thread while that one is running.

All of it at once: frames that are followed one by one may be gone meanwhile, as greenlets switch,
and Python would read memory that holds something else by then.
"""

from __future__ import annotations

import faulthandler
import os
import sys

_MOST_BYTES = 1 << 20


def innermost_calls(thread: int, most: int) -> tuple[str, ...]:
    """The last calls of a thread, as `/a.py:12 in name`, the innermost first.

    `thread` is its identifier as `threading.get_ident` returns it. Empty where it is gone, or where
    its stack cannot be read: of more than 100 threads `faulthandler` leaves out the oldest.
    """
    try:
        text = _stacks().decode("utf-8", "replace")
    except OSError:  # no descriptor left
        return ()
    found, is_its = list[str](), False
    for line in text.splitlines():
        if not line.startswith(" "):
            is_its = _thread_of(line) == thread
        elif is_its and len(found) < most:
            # from the left: quotes in names stay as they are
            path, _, rest = line.strip().removeprefix("File ").partition(", line ")
            number, _, name = rest.partition(" in ")
            path = path.strip('"')
            found.append(f"{path}:{number} in {name}")
    return tuple(found)


def _thread_of(line: str) -> int | None:
    """The thread that the line above a stack names: `Current thread 0x00007f01e9f3d6c0 (…`."""
    number = line.partition("hread 0x")[2].partition(" ")[0]
    try:
        return int(number, 16)
    except ValueError:
        return None


def _stacks() -> bytes:
    """Those of all threads, as `faulthandler` writes them in one call."""
    if sys.platform == "linux":
        file = os.memfd_create("stacks")
        try:
            faulthandler.dump_traceback(file, all_threads=True)
            return os.pread(file, _MOST_BYTES, 0)
        finally:
            os.close(file)
    source, target = os.pipe()
    try:
        os.set_blocking(target, False)  # what has no room in it is left out
        faulthandler.dump_traceback(target, all_threads=True)
        os.set_blocking(source, False)
        return os.read(source, _MOST_BYTES)
    finally:
        os.close(source)
        os.close(target)
