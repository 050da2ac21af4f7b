"""The forms of schedules: their fields as a page shows them, and what they ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from opcode_htmx.features.schedules.service import InvalidSchedule, Wanted
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.budgets.amounts import as_typed, typed_amount
from opcode_htmx.sessions.schedules.model import DEFAULT_MINUTES, Schedule, Work
from opcode_htmx.sessions.schedules.timing import Kind, Timing, Unit, now_in
from opcode_htmx.web.http.forms import typed, whole_number

MORNING = "T07:00"
LONGEST_NUMBER = 12
ON_DAYS = "days"
"""Of the form only: a cron expression that a person chooses by the days of the week."""
DAYS = {
    "MON": "Mon",
    "TUE": "Tue",
    "WED": "Wed",
    "THU": "Thu",
    "FRI": "Fri",
    "SAT": "Sat",
    "SUN": "Sun",
}
"""The days in a cron expression, as the form shows them."""
WORKDAYS = list(DAYS)[:5]
_CLOCK = late_pattern(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_ON_DAYS = late_pattern(r"([0-9]|[0-5][0-9]) ([0-9]|[01][0-9]|2[0-3]) \* \* (\S+)", re.ASCII)


def fields_of(schedule: Schedule, now: float) -> dict[str, str]:
    """The fields of the form for a schedule."""
    work, timing = schedule.work, schedule.timing
    return new_fields(timing.zone, now) | {
        "prompt": work.prompt,
        "folder": work.folder,
        "worktree": "on" if work.in_worktree else "",
        "name": schedule.name,
        **_timing_fields(timing),
        "zone": timing.zone,
        "model": work.model or "",
        "effort": work.effort or "",
        "permission_mode": work.permission_mode or "",
        "minutes": str(schedule.minutes),
        "budget": "" if schedule.budget_usd is None else as_typed(schedule.budget_usd),
        "catch_up": "on" if schedule.catch_up else "",
    }


def new_fields(zone: str, now: float) -> dict[str, str]:
    """The fields of the form for a new one: tomorrow morning."""
    morning = now_in(zone, now + 86400)[:10] + MORNING
    return {
        "kind": Kind.ONCE,
        "at": morning,
        "start": morning,
        "every": "1",
        "unit": Unit.DAYS,
        "cron": "0 7 * * MON-FRI",
        "clock": MORNING.removeprefix("T"),
        **dict.fromkeys(map(day_field, WORKDAYS), "on"),
        "zone": zone,
        "minutes": str(DEFAULT_MINUTES),
    }


def day_field(day: str) -> str:
    """The name of the checkbox of a day."""
    return f"day_{day.lower()}"


def _timing_fields(timing: Timing) -> dict[str, str]:
    """The fields of what is chosen; the others keep what a new schedule has."""
    match timing.kind:
        case Kind.ONCE:
            return {"kind": timing.kind, "at": timing.at}
        case Kind.EVERY:
            every = str(timing.every)
            return {
                "kind": timing.kind, "start": timing.at, "every": every, "unit": timing.unit
            }  # fmt: skip
        case Kind.CRON:
            found = _ON_DAYS.fullmatch(timing.expression)
            days = _days_of(found[3]) if found else None
            if found is None or days is None:
                return {"kind": timing.kind, "cron": timing.expression}
            return {
                "kind": ON_DAYS,
                "cron": timing.expression,
                "clock": f"{int(found[2]):02}:{int(found[1]):02}",
                **{day_field(each): "on" if each in days else "" for each in DAYS},
            }


def _days_of(text: str) -> list[str] | None:
    """The days of a field of cron; None where it is more than days and ranges of their names."""
    if text == "*":
        return list(DAYS)
    names, found = list(DAYS), list[str]()
    for part in text.upper().split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            return None
        begin, end = names.index(first), names.index(last or first)
        if end < begin:
            return None
        found += names[begin : end + 1]
    return found


def _on_days(form: Mapping[str, str]) -> str:
    """The cron expression of the days and the time of day that are chosen."""
    days = [each for each in DAYS if form.get(day_field(each))]
    if not days:
        raise InvalidSchedule("Choose at least one day.")
    clock = _CLOCK.fullmatch(form.get("clock", "").strip()[:LONGEST_NUMBER])
    if clock is None:
        raise InvalidSchedule("Choose the time of day.")
    chosen = {len(DAYS): "*", len(WORKDAYS): "MON-FRI" if days == WORKDAYS else ""}
    return f"{int(clock[2])} {int(clock[1])} * * {chosen.get(len(days)) or ','.join(days)}"


def timing_in(form: Mapping[str, str]) -> Timing:
    """The time that a form asks for, unchecked. Raises InvalidSchedule."""
    zone = form.get("zone", "")
    match form.get("kind", ""):
        case Kind.ONCE:
            return Timing(Kind.ONCE, zone, at=form.get("at", ""))
        case Kind.EVERY:
            try:
                unit = Unit(form.get("unit", ""))
            except ValueError:
                raise InvalidSchedule("Choose minutes, hours, days or weeks.") from None
            every = _whole(form.get("every", ""), "How often")
            return Timing(Kind.EVERY, zone, at=form.get("start", ""), every=every, unit=unit)
        case Kind.CRON:
            return Timing(Kind.CRON, zone, expression=form.get("cron", ""))
        case "days":
            return Timing(Kind.CRON, zone, expression=_on_days(form))
        case _:
            raise InvalidSchedule("Choose when it is due.")


def agent_in(form: Mapping[str, str]) -> int | None:
    """The number of the agent that a form is for; None for a prompt. Raises InvalidSchedule."""
    text = form.get("agent", "")
    return _whole(text, "The number of an agent") if text else None


def known_agent(form: Mapping[str, str]) -> int | None:
    """The same for a form that is shown again with what is wrong in it. Raises nothing."""
    try:
        return agent_in(form)
    except InvalidSchedule:
        return None


def wanted_in(form: Mapping[str, str], session_id: str = "", agent_id: int | None = None) -> Wanted:
    """What a form asks for, of a session or an agent that is known; unchecked.

    Raises InvalidSchedule.
    """
    work = Work(
        folder=form.get("other_folder", "").strip() or form.get("folder", ""),
        prompt=typed(form.get("prompt", "")).strip(),
        session_id=session_id,
        model=form.get("model", "").strip() or None,
        effort=form.get("effort", "") or None,
        permission_mode=form.get("permission_mode", "") or None,
        agent_id=agent_id,
        in_worktree="worktree" in form,
    )
    minutes = form.get("minutes", "").strip()
    return Wanted(
        work=work,
        timing=timing_in(form),
        name=form.get("name", "").strip(),
        catch_up="catch_up" in form,
        minutes=_whole(minutes, "The time for a run") if minutes else DEFAULT_MINUTES,
        budget_usd=amount(form.get("budget", "")),
    )


def amount(text: str) -> float | None:
    """An amount of dollars; None for an empty field. Raises InvalidSchedule."""
    try:
        return typed_amount(text)
    except ValueError:
        raise InvalidSchedule("Write the budget in dollars, such as 2.50.") from None


def _whole(text: str, what: str) -> int:
    number = whole_number(text.strip(), LONGEST_NUMBER)
    if number is None:
        raise InvalidSchedule(f"{what} is a whole number.")
    return number
