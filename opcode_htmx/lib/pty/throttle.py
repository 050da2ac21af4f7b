"""How fast the output of a terminal is read: as fast as a viewer shows it, within two bounds.

What is not read, the program waits for: a flood costs no more than what somebody sees of it. Nobody
has to watch for a program to go on, and no viewer makes it slower than the floor.
"""

from __future__ import annotations

FLOOR = 1_000_000
CEILING = 4_000_000
"""Bytes a second: without a viewer that keeps up, and with one."""
BURST = 512 * 1024
"""Bytes at once after a silence: an editor's screen comes without a delay."""
WINDOW = 512 * 1024
"""A viewer keeps up that has shown all but so many bytes."""


class Throttle:
    """Times are those of one monotonic clock, in seconds."""

    def __init__(self, now: float) -> None:
        self._slow = self._fast = float(BURST)
        self._at = now
        self._seen = 0

    def seen(self, offset: int) -> None:
        """A viewer has shown the stream up to here."""
        self._seen = max(self._seen, offset)

    def read(self, count: int) -> None:
        """So many bytes were read."""
        self._slow = max(self._slow - count, -float(BURST))
        self._fast -= count

    def wait(self, offset: int, now: float) -> float:
        """Seconds until something may be read; 0: now. `offset` is the end of the stream."""
        passed, self._at = max(0.0, now - self._at), now
        self._slow = min(self._slow + passed * FLOOR, BURST)
        self._fast = min(self._fast + passed * CEILING, BURST)
        if self._fast <= 0:
            return -self._fast / CEILING + 0.005
        if self._slow > 0 or offset - self._seen <= WINDOW:
            return 0.0
        return min(-self._slow / FLOOR + 0.005, 0.05)
