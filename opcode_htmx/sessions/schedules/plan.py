"""What is to happen now with a schedule: start it, or state what was missed. Pure."""

from __future__ import annotations

from itertools import islice, takewhile

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.schedules.timing import Timing

GRACE_SECONDS = 120.0
"""How late a start may be and still count as on time: a restart of the server takes seconds."""
MOST_COUNTED = 1000
"""Missed times that are counted; of an expression that is due each minute there may be many."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Due times that have passed while no server ran, or nobody looked."""

    first: float
    last: float
    number: int

    @property
    def words(self) -> str:
        """How many, in words."""
        if self.number == 1:
            return "once"
        more = "+" if self.number >= MOST_COUNTED else ""
        return f"{self.number:,}{more} times"


@dataclass(frozen=True, slots=True)
class Plan:
    """`due` is the due time to start for now; `handled` the time up to which all is decided."""

    handled: float
    due: float | None = None
    missed: Missed | None = None


def plan(timing: Timing, handled: float, now: float, *, catch_up: bool) -> Plan:
    """What to do at `now`, where everything up to `handled` is decided.

    Due times that lie farther back than GRACE_SECONDS are missed. With `catch_up` there is one
    start for all of them. There is never more than one start.
    """
    if now <= handled:
        return Plan(handled)
    recent = now - GRACE_SECONDS
    # it stops at `now`: this is asked each second, of due times without end
    until_now = takewhile(lambda each: each <= now, timing.due_after(handled))
    passed = list(islice(until_now, MOST_COUNTED))
    on_time = next(reversed(_between(timing, max(handled, recent), now)), None)
    late = [each for each in passed if each <= recent]
    missed = Missed(late[0], late[-1], len(late)) if late else None
    if on_time is not None:
        return Plan(now, on_time, missed)
    if missed and catch_up:
        return Plan(now, missed.last, missed)
    return Plan(now, None, missed)


def _between(timing: Timing, after: float, until: float) -> list[float]:
    found = list[float]()
    for each in timing.due_after(after):
        if each > until:
            break
        found.append(each)
    return found
