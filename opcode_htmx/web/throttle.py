"""Count failed logins per client address; knows nothing of passwords or of HTTP."""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Lock


class Throttle:
    """Refuses an address that failed `limit` times within `window` seconds.

    Remembers at most `addresses` clients: the one that failed longest ago is forgotten first.
    """

    def __init__(
        self,
        limit: int = 10,
        window: float = 60.0,
        addresses: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._window = window
        self._addresses = addresses
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def wait(self, address: str) -> int:
        """Seconds, rounded up, until this address may try again; 0 if it may now."""
        with self._lock:
            failures = self._failures.get(address)
            if failures is None or len(failures) < self._limit:
                return 0
            return max(0, math.ceil(failures[0] + self._window - self._clock()))

    def failed(self, address: str) -> None:
        with self._lock:
            failures = self._failures.setdefault(address, deque(maxlen=self._limit))
            failures.append(self._clock())
            self._failures.move_to_end(address)
            while len(self._failures) > self._addresses:
                self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        with self._lock:
            self._failures.pop(address, None)
