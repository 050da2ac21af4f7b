"""What is notified when runs of a session change, and whether anybody waits for it."""

from __future__ import annotations

from collections.abc import Callable

from opcode_htmx.lib.concurrency.broadcast import Broadcast


class SessionChanges:
    """Of all sessions, for one worker."""

    def __init__(self, begin_to_wait: Callable[[], None]) -> None:
        """`begin_to_wait` is called when somebody waits for a change and nobody did before."""
        self._changes: dict[str, Broadcast] = {}
        self._written: dict[str, Broadcast] = {}
        self._begin_to_wait = begin_to_wait
        self._waiting = 0

    @property
    def are_awaited(self) -> bool:
        """Whether a greenlet waits for any change."""
        return self._waiting > 0

    def of(self, session_id: str) -> Broadcast:
        """Notified when a run of the session starts, changes or ends."""
        return self._get(session_id, self._changes)

    def written(self, session_id: str) -> Broadcast:
        """Notified when a run of the session starts, has written something or has ended.

        It comes before the run's state has been folded, for followers that read by themselves.
        """
        return self._get(session_id, self._written)

    def _get(self, session_id: str, known: dict[str, Broadcast]) -> Broadcast:
        found = known.get(session_id)
        if found is None:
            found = known[session_id] = _Awaited(self._begin, self._end)
        return found

    def _begin(self) -> None:
        self._waiting += 1
        if self._waiting == 1:  # else it is known that somebody waits
            self._begin_to_wait()

    def _end(self) -> None:
        self._waiting -= 1


class _Awaited(Broadcast):
    """Calls `begin` before each wait, and `end` after it."""

    __slots__ = ("_begin", "_end")

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        super().__init__()
        self._begin, self._end = begin, end

    def wait(self, seen: int, timeout: float | None = None) -> int:
        if self.version == seen:
            self._begin()
            try:
                super().wait(seen, timeout)
            finally:
                self._end()
        return self.version
