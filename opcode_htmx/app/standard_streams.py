"""Standard streams that are closed, as after `>&-` in a shell, or take no more, as on a full disk.

What cannot be written to goes to /dev/null.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TextIO


def open_closed() -> None:
    """Open those that are closed, for this process and its children.

    The next files to be opened would get their numbers, and what is printed would be written there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, _null())


def buffer_output() -> None:
    """Buffer the lines of stdout, also where Python does not, as with PYTHONUNBUFFERED.

    What cannot be written stays in the buffer, where `flush_output` finds it.
    """
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        old = sys.stdout
        sys.stdout = open(  # noqa: SIM115 - it is open until the process ends
            old.fileno(), "w", buffering=1, encoding=old.encoding, errors=old.errors, closefd=False
        )


def flush_output() -> OSError | None:
    """Write what was printed so far; the error if that cannot be done."""
    try:
        sys.stdout.flush()
    except OSError as error:
        sys.stdout = _null()  # else Python tries again at its exit, and fails
        return error
    return None


def _null() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")
