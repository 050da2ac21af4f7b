"""List the sessions that need attention: those that ask, have failed, or are done and unseen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.rendering.activity_text import request_text
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.storage.past_times import PastTimes
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.session_flags import NO_FLAGS, Flags, SessionFlags

FRESH_SECONDS = 0.5


class Reason(StrEnum):
    ASKS = "asks"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """A session that needs attention, by its newest run; `at` is a Unix time."""

    run: Run
    reason: Reason
    text: str
    at: float


class AttentionCount(NamedTuple):
    """How many sessions wait for a decision or have failed, and how many are only done."""

    needing: int = 0
    done: int = 0

    @property
    def shown(self) -> int:
        """The number in a badge: of those that need a person, or else of those that are done."""
        return self.needing or self.done

    @property
    def words(self) -> str:
        """What follows that number: `session needs you`, `sessions need you, 1 is done`."""
        noun = "session" if self.shown == 1 else "sessions"
        need = f"need{'s' if self.needing == 1 else ''} you"
        done = f"{'is' if self.done == 1 else 'are'} done"
        if self.needing and self.done:
            return f"{noun} {need}, {self.done} {done}"
        return f"{noun} {need if self.needing else done}"


def counted(items: Iterable[AttentionItem]) -> AttentionCount:
    """The numbers of items by whether a person has to do something about them."""
    is_done = [item.reason is Reason.DONE for item in items]
    return AttentionCount(is_done.count(False), is_done.count(True))


def seen_until(items: Iterable[AttentionItem]) -> int:
    """The time, in Unix milliseconds, up to which a person sees these items; 0 without one."""
    return max((int(item.at * 1000) + 1 for item in items), default=0)


def _is_archived(item: AttentionItem, flags: Mapping[str, Flags], past: PastTimes) -> bool:
    """Whether a person has archived what is over. A request waits for its answer there, too."""
    its = flags.get(item.run.record.session_id, NO_FLAGS)
    return item.reason is not Reason.ASKS and bool(its.of_use(item.at, past).archived)


class AttentionList:
    """Finds the sessions that need attention, from their newest runs and read positions."""

    def __init__(
        self, supervisor: Supervisor, positions: ReadPositions, flags: SessionFlags
    ) -> None:
        self._supervisor = supervisor
        self._positions = positions
        self._flags = flags
        self._cached: tuple[float, list[AttentionItem]] = (-FRESH_SECONDS, [])

    def all(self) -> list[AttentionItem]:
        """Sessions that wait for an answer first, then those that ended; the newest first."""
        runs, seen, past = self._supervisor.newest(), self._positions.seen(), self._positions.past()
        items = [item for run in runs if (item := self._item_of(run, seen, past))]
        if flags := self._flags.all():
            items = [item for item in items if not _is_archived(item, flags, past)]
        self._positions.notice(past)
        return sorted(items, key=lambda item: (item.reason is not Reason.ASKS, -item.at))

    def count_as_seen(self, until: float) -> None:
        """Mark sessions that ended up to a Unix time as seen, on all devices."""
        until = min(until, time.time())
        items = (item for item in self.all() if item.reason is Reason.DONE and item.at <= until)
        self._positions.count_as_seen([item.run.record.session_id for item in items], until)
        self.forget()

    def forget(self) -> None:
        """Sessions were viewed, here or in another worker: find out anew."""
        self._cached = -FRESH_SECONDS, []

    def beside(self, session_id: str) -> AttentionCount:
        """The other sessions that need attention; cached, as every frame needs it."""
        if time.monotonic() - self._cached[0] > FRESH_SECONDS:
            self._cached = time.monotonic(), self.all()
        items = self._cached[1]
        return counted(item for item in items if item.run.record.session_id != session_id)

    def _item_of(
        self, run: Run, last_seen: Callable[[str], float], past: PastTimes
    ) -> AttentionItem | None:
        if run.phase is Phase.WAITING and run.state.asks:
            request = next(iter(run.state.asks.values()))
            text = f"Waiting for your answer: {request_text(request)}"
            return AttentionItem(run, Reason.ASKS, text, run.folder.last_output())
        seen = last_seen(run.record.session_id)
        end = run.record.end
        if end is None:
            # a background agent still works on the prompt
            unfinished = run.phase is not Phase.IDLE or run.state.background.agents
            if unfinished or not run.state.turns:
                return None
        elif end.outcome is Outcome.CANCELLED:
            return None
        elif end.outcome is not Outcome.COMPLETED:
            # one that a budget has paused asks whether it goes on, also once that was read
            is_seen = past.is_seen(end.at, seen)
            if is_seen and not self._supervisor.budgets.hold(run.record.session_id):
                return None
            return AttentionItem(run, Reason.FAILED, end.cause, past.of(end.at))
        elif past.is_seen(end.at, seen):
            return None
        # The end of an idle process is no news: the time of its last output counts
        at = run.folder.last_output()
        if past.is_seen(at, seen) or (end and not run.folder.output.exists()):
            return None
        # A page that is left reports what was read only after the next page was requested
        if self._supervisor.viewers.is_viewed(run.record.session_id):
            return None
        return AttentionItem(run, Reason.DONE, "Done since you last looked", past.of(at))
