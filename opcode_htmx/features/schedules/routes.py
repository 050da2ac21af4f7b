"""The routes of schedules: the list, one with its history, and what is done with it."""

from __future__ import annotations

import time

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.schedules import form
from opcode_htmx.features.schedules.form_page import FormPage
from opcode_htmx.features.schedules.service import InvalidSchedule, ScheduleChanged, Schedules
from opcode_htmx.features.schedules.views import ScheduleViews
from opcode_htmx.runs.budgets.amounts import limit_words
from opcode_htmx.runs.model.permission_updates import BypassNotAllowed
from opcode_htmx.runs.policies.working_folders import InvalidFolder
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.schedules.store import TooManySchedules
from opcode_htmx.sessions.schedules.timing import SHOWN
from opcode_htmx.sessions.submit import InvalidPrompt
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice

REFUSALS = (InvalidSchedule, InvalidPrompt, InvalidFolder, BypassNotAllowed, TooManySchedules)
"""Sentences that are shown in the form, with what was typed."""


def blueprint(schedules: Schedules, presenter: OptionsPresenter) -> Blueprint:
    pages = Blueprint("schedules", __name__)
    views, store = ScheduleViews(schedules), schedules.store
    forms = FormPage(schedules, views, presenter)

    @pages.get("/schedules")
    def page() -> str:
        return render_template(
            "schedules/schedules.html", rows=views.rows(), damaged=store.damaged(), notice=flashed()
        )

    @pages.get("/schedules/new")
    def new() -> str:
        return forms.new(request.args)

    @pages.post("/schedules/new")
    def new_with_words() -> str:
        """The same with a text that an address has no room for; nothing is kept of it."""
        return forms.new(request.form)

    @pages.post("/schedules")
    def add() -> Response:
        if "check" in request.form:
            return forms.with_due_times()
        try:
            wanted = form.wanted_in(request.form, agent_id=form.agent_in(request.form))
            made = schedules.add(wanted, by=current_identity())
        except REFUSALS as error:
            return make_response(forms.page(request.form, error=str(error)), 422)
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
            modes=forms.choices("permission_mode"),
            limit_words=limit_words,
            notice=flashed(),
        )

    @pages.get("/schedules/<schedule_id>/edit")
    def edit(schedule_id: str) -> str:
        schedule = store.get(schedule_id)
        return forms.page(form.fields_of(schedule, time.time()), schedule)

    @pages.post("/schedules/<schedule_id>/edit")
    def change(schedule_id: str) -> Response:
        schedule = store.get(schedule_id)
        if "check" in request.form:
            return forms.with_due_times(schedule)
        try:
            work = schedule.work
            wanted = form.wanted_in(request.form, work.session_id, work.agent_id)
            revision = request.form.get("revision")
            schedules.change(schedule_id, wanted, by=current_identity(), revision=revision)
        except ScheduleChanged as error:
            current = store.get(schedule_id)
            return make_response(forms.page(request.form, current, str(error), is_stale=True), 409)
        except REFUSALS as error:
            return make_response(forms.page(request.form, schedule, str(error)), 422)
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

    return pages
