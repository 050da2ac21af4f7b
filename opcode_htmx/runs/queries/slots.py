"""Limit how many Claudes without a session run at a time: each takes some 200 MB."""

from __future__ import annotations

from gevent.lock import BoundedSemaphore

MOST = 4
"""In one worker."""
PATIENCE = 60.0
"""Seconds for which a page waits for its turn."""
BUSY = "too many others are being asked at the moment"


class Slot:
    """The right to run one; given back once, however often that is called."""

    _free = BoundedSemaphore(MOST)

    def __init__(self) -> None:
        """Wait for a turn. Raises TimeoutError."""
        self._held = bool(self._free.acquire(timeout=PATIENCE))
        if not self._held:
            raise TimeoutError(BUSY)

    def give_back(self) -> None:
        if self._held:
            self._held = False
            self._free.release()
