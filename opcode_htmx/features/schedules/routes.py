"""The pages of schedules: the list, one with its history, and the form to make or change one."""

from __future__ import annotations

import time
from collections.abc import Mapping

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.schedules import form
from opcode_htmx.features.schedules.service import InvalidSchedule, ScheduleChanged, Schedules
from opcode_htmx.features.schedules.views import ScheduleViews
from opcode_htmx.lib.git import worktrees
from opcode_htmx.runs.budgets.amounts import limit_words
from opcode_htmx.runs.model.permission_updates import BypassNotAllowed
from opcode_htmx.runs.model.prompt_content import MAX_PROMPT_CHARACTERS
from opcode_htmx.runs.policies.working_folders import InvalidFolder, path_of
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.schedules import zones
from opcode_htmx.sessions.schedules.model import LONGEST_NAME, Schedule
from opcode_htmx.sessions.schedules.store import TooManySchedules
from opcode_htmx.sessions.schedules.timing import SHOWN, InvalidTiming, checked, day_words
from opcode_htmx.sessions.submit import InvalidPrompt
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import typed

MOST_PROJECTS = 50
LONGEST_FOLDER = 4000
REFUSALS = (InvalidSchedule, InvalidPrompt, InvalidFolder, BypassNotAllowed, TooManySchedules)
"""Sentences that are shown in the form, with what was typed."""


def blueprint(schedules: Schedules, presenter: OptionsPresenter) -> Blueprint:
    pages = Blueprint("schedules", __name__)
    views, store = ScheduleViews(schedules), schedules.store

    @pages.get("/schedules")
    def page() -> str:
        return render_template(
            "schedules/schedules.html", rows=views.rows(), damaged=store.damaged(), notice=flashed()
        )

    @pages.get("/schedules/new")
    def new() -> str:
        return _new_form(request.args)

    @pages.post("/schedules/new")
    def new_with_words() -> str:
        """The same with a text that an address has no room for; nothing is kept of it."""
        return _new_form(request.form)

    def _new_form(given: Mapping[str, str]) -> str:
        kept = {"folder": given.get("folder", "")[:LONGEST_FOLDER]}
        if agent_id := form.agent_in(given):
            kept |= {
                "agent": str(agent_id),
                "prompt": typed(given.get("prompt", ""))[:MAX_PROMPT_CHARACTERS],
                "worktree": given.get("worktree", "")[:2],
            }
        return _form({**form.new_fields(schedules.default_zone(), time.time()), **kept})

    @pages.post("/schedules")
    def add() -> Response:
        if "check" in request.form:
            return _checked_times()
        try:
            wanted = form.wanted_in(request.form, agent_id=form.agent_in(request.form))
            made = schedules.add(wanted, by=current_identity())
        except REFUSALS as error:
            return make_response(_form(request.form, error=str(error)), 422)
        return redirect(url_for(".one", schedule_id=made.id), 303)

    @pages.get("/schedules/<schedule_id>")
    def one(schedule_id: str) -> str:
        schedule = store.get(schedule_id)
        work = schedule.work
        return render_template(
            "schedules/schedule.html",
            schedule=schedule,
            row=views.row(schedule),
            due=[views.words(schedule, each) for each in views.due(schedule, SHOWN)],
            history=views.history(schedule),
            session=views.address(work.session_id) if work.session_id else "",
            trust=schedules.trust_needed(schedule),
            modes=_choices("permission_mode"),
            limit_words=limit_words,
            notice=flashed(),
        )

    @pages.get("/schedules/<schedule_id>/edit")
    def edit(schedule_id: str) -> str:
        schedule = store.get(schedule_id)
        return _form(form.fields_of(schedule, time.time()), schedule)

    @pages.post("/schedules/<schedule_id>/edit")
    def change(schedule_id: str) -> Response:
        schedule = store.get(schedule_id)
        if "check" in request.form:
            return _checked_times(schedule)
        try:
            work = schedule.work
            wanted = form.wanted_in(request.form, work.session_id, work.agent_id)
            revision = request.form.get("revision")
            schedules.change(schedule_id, wanted, by=current_identity(), revision=revision)
        except ScheduleChanged as error:
            current = store.get(schedule_id)
            return make_response(_form(request.form, current, str(error), is_stale=True), 409)
        except REFUSALS as error:
            return make_response(_form(request.form, schedule, str(error)), 422)
        return redirect(url_for(".one", schedule_id=schedule_id), 303)

    @pages.post("/schedules/<schedule_id>/pause")
    def pause(schedule_id: str) -> Response:
        schedules.pause(schedule_id, True, by=current_identity())
        return redirect(url_for(".one", schedule_id=schedule_id), 303)

    @pages.post("/schedules/<schedule_id>/resume")
    def resume(schedule_id: str) -> Response:
        schedules.pause(schedule_id, False, by=current_identity())
        return redirect(url_for(".one", schedule_id=schedule_id), 303)

    @pages.post("/schedules/<schedule_id>/run")
    def run(schedule_id: str) -> Response:
        schedules.run_now(schedule_id, by=current_identity())
        return redirect_with_notice(url_for(".one", schedule_id=schedule_id), "schedule-starts")

    @pages.post("/schedules/<schedule_id>/delete")
    def delete(schedule_id: str) -> Response:
        found = schedules.delete(schedule_id, by=current_identity())
        return redirect_with_notice(url_for(".page"), "schedule-deleted", found.title)

    def _checked_times(schedule: Schedule | None = None) -> Response:
        """The form with the next due times, which nothing is kept of."""
        now = time.time()
        try:
            timing = checked(form.timing_in(request.form))
        except (InvalidSchedule, InvalidTiming) as error:
            return make_response(_form(request.form, schedule, str(error)), 422)
        due = [day_words(each, timing.zone, now) for each in timing.next(now)]
        return make_response(_form(request.form, schedule, meaning=timing.words(), due=due))

    def _form(
        fields: Mapping[str, str],
        schedule: Schedule | None = None,
        error: str = "",
        meaning: str = "",
        due: list[str] | None = None,
        is_stale: bool = False,
    ) -> str:
        """The form; one that was refused keeps the revision that it was shown with."""
        agent_id = schedule.work.agent_id if schedule else form.known_agent(fields)
        return render_template(
            "schedules/edit.html",
            agent_id=agent_id,
            agent=schedules.agents.name(agent_id),
            fields=fields,
            schedule=schedule,
            revision=_revision(fields, schedule, is_stale),
            session=views.address(schedule.work.session_id) if schedule else "",
            error=error,
            meaning=meaning,
            due=due,
            days=[(form.day_field(each), label) for each, label in form.DAYS.items()],
            projects=(projects := project_choices(schedules.workspace, MOST_PROJECTS)),
            without_worktrees={
                each
                for each in (*(each.reference for each in projects), fields.get("folder", ""))
                if each and agent_id and not worktrees.is_possible(path_of(each))
            },
            zone_pairs=[(each, each) for each in zones.names()],
            model_pairs=_pairs("model", fields),
            effort_pairs=_pairs("effort", fields),
            mode_pairs=_pairs("permission_mode", fields),
            longest_name=LONGEST_NAME,
            longest_prompt=MAX_PROMPT_CHARACTERS,
        )

    def _choices(name: str) -> Mapping[str, str]:
        """What can be chosen for an option of a new session, with its label."""
        (found,) = (each for each in presenter.view("").fields if each.name == name)
        return {each.value: each.label for each in found.choices}

    def _pairs(name: str, fields: Mapping[str, str]) -> list[tuple[str, str]]:
        chosen = fields.get(name, "")
        known = _choices(name)
        return [*known.items(), *([(chosen, chosen)] if chosen not in known else [])]

    return pages


def _revision(fields: Mapping[str, str], schedule: Schedule | None, is_stale: bool) -> str:
    if schedule is None:
        return ""
    return schedule.revision if is_stale else fields.get("revision", schedule.revision)
