"""Open /dev/null in place of closed standard streams, as after `>&-` in a shell."""

from __future__ import annotations

import os
import sys
from pathlib import Path


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
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
