"""Long work in small steps, between which other greenlets get their turn."""

from __future__ import annotations

import time

import gevent

HOLD_SECONDS = 0.004
"""How long the hub may be held before others get their turn."""
GIVE_WAY_SECONDS = 0.0005


class Steps:
    """Gives way to other greenlets once the hub has been held for long enough."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def __call__(self) -> None:
        if time.perf_counter() - self._since > HOLD_SECONDS:
            # a sleep of no length would not let the loop look at its sockets
            gevent.sleep(GIVE_WAY_SECONDS)
            self._since = time.perf_counter()
