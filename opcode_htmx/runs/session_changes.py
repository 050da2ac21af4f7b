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
        self.begin_to_wait = begin_to_wait
        self.waiting = 0
        """How many greenlets wait for any change."""

    @property
    def are_awaited(self) -> bool:
        """Whether a greenlet waits for any change."""
        return self.waiting > 0

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
            found = known[session_id] = _Awaited(self)
        return found


class _Awaited(Broadcast):
    """Counts the greenlets that wait, in one call: one waits after each line."""

    __slots__ = ("_all",)

    def __init__(self, changes: SessionChanges) -> None:
        super().__init__()
        self._all = changes

    def wait(self, seen: int, timeout: float | None = None) -> int:
        if self._version == seen:
            changes = self._all
            changes.waiting += 1
            try:
                if changes.waiting == 1:  # else it is known that somebody waits
                    changes.begin_to_wait()
                super().wait(seen, timeout)
            finally:
                changes.waiting -= 1
        return self._version
