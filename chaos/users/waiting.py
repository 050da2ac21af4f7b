"""Wait for a condition on files or pages, which nobody signals."""

from __future__ import annotations

import time
from collections.abc import Callable

from chaos.users.clients import BREATH


def comes_true(condition: Callable[[], object], timeout: float) -> bool:
    """Poll a condition on files until it holds, at most so long; return whether it does."""
    return comes_true_or_stalls(condition, lambda: 0, timeout)


LONGEST = 4
"""Overall limit of the wait, as a multiple of the quiet time."""


def comes_true_or_stalls(
    condition: Callable[[], object], progress: Callable[[], int], quiet: float
) -> bool:
    """The same, as long as there is progress: until there has been none for `quiet` seconds.

    Endless activity, such as a heartbeat, does not count as progress.
    """
    began = since = time.monotonic()
    was = progress()
    while not condition():
        if (now := progress()) != was:
            was, since = now, time.monotonic()
        if time.monotonic() - since > quiet or time.monotonic() - began > LONGEST * quiet:
            return False
        time.sleep(BREATH)
    return True
