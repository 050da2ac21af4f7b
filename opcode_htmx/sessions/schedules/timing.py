"""When a schedule is due: once, at intervals, or by a cron expression, in a time zone. Pure.

Points in time are Unix times. A time of day that a clock skips or repeats, because summer time
begins or ends, occurs once: a skipped one later by as much as is skipped, a repeated one the first
time. Hours and minutes are counted in elapsed time, days by the calendar.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import count, islice

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.schedules import zones

SHOWN = 5
"""Due times that are shown ahead."""
LONGEST_EXPRESSION = 200
LATEST = 4102444800.0
"""The year 2100."""
MOST_OF_A_UNIT = 10_000
_FIELDS = 5


class InvalidTiming(ValueError):
    """A time that cannot be used; the text is a sentence for the person."""


class Kind(StrEnum):
    ONCE = "once"
    EVERY = "every"
    CRON = "cron"


class Unit(StrEnum):
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"


_SECONDS = {Unit.MINUTES: 60, Unit.HOURS: 3600}
_DAYS = {Unit.DAYS: 1, Unit.WEEKS: 7}


@dataclass(frozen=True, slots=True)
class Timing:
    """When something is due. `at` is the local time of once, and of the first of an interval."""

    kind: Kind
    zone: str
    at: str = ""
    """As `2026-11-30T07:00`."""
    every: int = 0
    unit: Unit = Unit.HOURS
    expression: str = ""
    """Of cron: five fields."""

    def due_after(self, moment: float) -> Iterator[float]:
        """The due times after `moment`, in order; without end but for once."""
        zone = zones.zone(self.zone)
        match self.kind:
            case Kind.ONCE:
                times: Iterator[float] = iter((_moment(self.at, zone),))
            case Kind.EVERY:
                times = self._intervals(moment, zone)
            case Kind.CRON:
                times = _cron(self.expression, moment, zone)
        previous = moment
        for each in times:
            if each > LATEST:
                return
            # around the end of summer time the library repeats one
            if each > previous:
                previous = each
                yield each

    def next(self, moment: float, number: int = SHOWN) -> list[float]:
        """The first due times after `moment`."""
        return list(islice(self.due_after(moment), number))

    def words(self) -> str:
        """What is meant, as the title of a list shows it."""
        match self.kind:
            case Kind.ONCE:
                return f"Once, {_long(datetime.fromisoformat(self.at))}"
            case Kind.EVERY:
                unit = self.unit if self.every > 1 else self.unit.removesuffix("s")
                return f"Every {self.every} {unit}" if self.every > 1 else f"Every {unit}"
            case Kind.CRON:
                return explained(self.expression)

    def _intervals(self, moment: float, zone: tzinfo) -> Iterator[float]:
        start = _moment(self.at, zone)
        if self.unit in _SECONDS:
            step = self.every * _SECONDS[self.unit]
            first = max(0, math.floor((moment - start) / step) + 1)
            yield from (start + number * step for number in count(first))
        else:
            step = self.every * _DAYS[self.unit]
            local = datetime.fromisoformat(self.at)
            # one step early: a day may have 23 hours
            first = max(0, math.floor((moment - start) / (step * 86400)) - 1)
            for number in count(first):
                try:
                    yield (local + timedelta(days=number * step)).replace(tzinfo=zone).timestamp()
                except (OverflowError, ValueError):
                    return


def once(at: str, zone: str) -> Timing:
    """Raises InvalidTiming."""
    return checked(Timing(Kind.ONCE, zone, at=at))


def once_at(moment: float, zone: str) -> Timing:
    """Once at a Unix time, on the next full minute."""
    local = datetime.fromtimestamp(math.ceil(moment / 60) * 60, zones.zone(zone))
    return Timing(Kind.ONCE, zone, at=f"{local:%Y-%m-%dT%H:%M}")


def checked(timing: Timing) -> Timing:
    """The timing in the form in which it is kept. Raises InvalidTiming."""
    try:
        zones.zone(timing.zone)
    except zones.UnknownZone as error:
        raise InvalidTiming(str(error)) from error
    match timing.kind:
        case Kind.ONCE:
            return Timing(Kind.ONCE, timing.zone, at=_local(timing.at))
        case Kind.EVERY:
            if not 1 <= timing.every <= MOST_OF_A_UNIT:
                raise InvalidTiming(f"Choose a number from 1 to {MOST_OF_A_UNIT:,}.")
            at = _local(timing.at)
            return Timing(Kind.EVERY, timing.zone, at=at, every=timing.every, unit=timing.unit)
        case Kind.CRON:
            expression = " ".join(timing.expression.split())
            _check_cron(expression)
            return Timing(Kind.CRON, timing.zone, expression=expression)


def now_in(zone: str, moment: float) -> str:
    """A point in time as the clocks of a zone show it, to the minute: `2026-11-30T07:00`."""
    return f"{datetime.fromtimestamp(moment, zones.zone(zone)):%Y-%m-%dT%H:%M}"


def day_words(moment: float, zone: str, now: float) -> str:
    """A point in time in words: `Today 07:00`, `Tomorrow 07:00`, `Mon 30 Nov 07:00`."""
    where = zones.zone(zone)
    local, today = datetime.fromtimestamp(moment, where), datetime.fromtimestamp(now, where).date()
    distance = (local.date() - today).days
    near = {-1: "Yesterday", 0: "Today", 1: "Tomorrow"}.get(distance)
    year = f" {local.year}" if local.year != today.year else ""
    return f"{near or f'{local:%a} {local.day} {local:%b}{year}'} {local:%H:%M}"


def inline_words(moment: float, zone: str, now: float) -> str:
    """The same within a sentence: `at 07:00`, `tomorrow 07:00`, `on Mon 30 Nov 07:00`."""
    words = day_words(moment, zone, now)
    day, _, clock = words.rpartition(" ")
    match day:
        case "Today":
            return f"at {clock}"
        case "Tomorrow" | "Yesterday":
            return words.lower()
        case _:
            return f"on {words}"


def explained(expression: str) -> str:
    """A cron expression in words; itself where it cannot be put into any."""
    from cronsim import CronSimError
    from cronsim.explain import explain

    try:
        return str(explain(expression))
    except (CronSimError, ValueError, IndexError, AssertionError):
        return expression


def _long(local: datetime) -> str:
    return f"{local:%a} {local.day} {local:%b %Y %H:%M}"


def _local(text: str) -> str:
    """A local time to the minute. Raises InvalidTiming."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidTiming("Choose a date and a time.") from error
    if found.tzinfo is not None:
        raise InvalidTiming("Give the time without an offset: the time zone is a field of its own.")
    if not 2000 <= found.year < 2100:
        raise InvalidTiming("Choose a date before the year 2100.")
    return f"{found:%Y-%m-%dT%H:%M}"


def _moment(local: str, zone: tzinfo) -> float:
    return datetime.fromisoformat(local).replace(tzinfo=zone).timestamp()


def _check_cron(expression: str) -> None:
    if len(expression) > LONGEST_EXPRESSION:
        raise InvalidTiming(f"The cron expression is longer than {LONGEST_EXPRESSION} characters.")
    if len(expression.split()) != _FIELDS:
        raise InvalidTiming(
            "A cron expression has five fields: minute, hour, day of the month, month and day of"
            " the week, such as “0 7 * * MON-FRI”."
        )
    from cronsim import CronSim, CronSimError

    try:
        CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError, AssertionError) as error:
        raise InvalidTiming(f"The cron expression cannot be used: {error}.") from error
    if next(_cron(expression, 0.0, UTC), None) is None:
        raise InvalidTiming("There is no such day: this cron expression is never due.")


def _cron(expression: str, moment: float, zone: tzinfo) -> Iterator[float]:
    from cronsim import CronSim

    try:
        for each in CronSim(expression, datetime.fromtimestamp(moment, zone)):
            yield each.timestamp()
    except (OverflowError, ValueError):  # beyond the year 9999
        return
