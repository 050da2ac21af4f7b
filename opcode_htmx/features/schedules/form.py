"""The forms of schedules: their fields as a page shows them, and what they ask for."""

from __future__ import annotations

from collections.abc import Mapping

from opcode_htmx.features.schedules.service import InvalidSchedule, Wanted
from opcode_htmx.runs.policies.budget_figures import as_typed, typed_amount
from opcode_htmx.sessions.schedules.model import DEFAULT_MINUTES, Schedule, Work
from opcode_htmx.sessions.schedules.timing import Kind, Timing, Unit, now_in
from opcode_htmx.web.http.forms import typed

MORNING = "T07:00"
LONGEST_NUMBER = 12


def fields_of(schedule: Schedule) -> dict[str, str]:
    """The fields of the form for a schedule."""
    work, timing = schedule.work, schedule.timing
    return {
        "prompt": work.prompt,
        "folder": work.folder,
        "worktree": "on" if work.in_worktree else "",
        "name": schedule.name,
        "kind": timing.kind,
        "at": timing.at if timing.kind is Kind.ONCE else "",
        "start": timing.at if timing.kind is Kind.EVERY else "",
        "every": str(timing.every or ""),
        "unit": timing.unit,
        "cron": timing.expression,
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
        "zone": zone,
        "minutes": str(DEFAULT_MINUTES),
    }


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
    text = text.strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > LONGEST_NUMBER:
        raise InvalidSchedule(f"{what} is a whole number.")
    return int(text)
