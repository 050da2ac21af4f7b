"""The page with the form of a schedule: a new one, one to be changed, or one that was refused."""

from __future__ import annotations

import time
from collections.abc import Mapping

from flask import make_response, render_template, request
from werkzeug.wrappers import Response

from opcode_htmx.features.schedules import form
from opcode_htmx.features.schedules.service import InvalidSchedule, Schedules
from opcode_htmx.features.schedules.views import ScheduleViews
from opcode_htmx.lib.git import worktrees
from opcode_htmx.runs.model.prompt_content import MAX_PROMPT_CHARACTERS
from opcode_htmx.runs.policies.working_folders import path_of
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.schedules import zones
from opcode_htmx.sessions.schedules.model import LONGEST_NAME, Schedule
from opcode_htmx.sessions.schedules.timing import InvalidTiming, checked, day_words
from opcode_htmx.web.http.forms import typed

MOST_PROJECTS = 50
"""Projects to choose from."""
LONGEST_FOLDER = 4000
"""Characters of a folder that an address gives."""


class FormPage:
    """Renders the form in the current request."""

    def __init__(
        self, schedules: Schedules, views: ScheduleViews, presenter: OptionsPresenter
    ) -> None:
        self._schedules = schedules
        self._views = views
        self._presenter = presenter

    def new(self, given: Mapping[str, str]) -> str:
        """The form of a new schedule with what an address or another page gives for it."""
        kept = {"folder": given.get("folder", "")[:LONGEST_FOLDER]}
        if agent_id := form.agent_in(given):
            kept |= {
                "agent": str(agent_id),
                "prompt": typed(given.get("prompt", ""))[:MAX_PROMPT_CHARACTERS],
                "worktree": given.get("worktree", "")[:2],
            }
        return self.page({**form.new_fields(self._schedules.default_zone(), time.time()), **kept})

    def page(
        self,
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
            agent=self._schedules.agents.name(agent_id),
            fields=fields,
            schedule=schedule,
            revision=_revision(fields, schedule, is_stale),
            session=self._views.address(schedule.work.session_id) if schedule else "",
            error=error,
            meaning=meaning,
            due=due,
            days=[(form.day_field(each), label) for each, label in form.DAYS.items()],
            projects=(projects := project_choices(self._schedules.workspace, MOST_PROJECTS)),
            without_worktrees={
                each
                for each in (*(each.reference for each in projects), fields.get("folder", ""))
                if each and agent_id and not worktrees.is_possible(path_of(each))
            },
            zone_pairs=[(each, each) for each in zones.names()],
            model_pairs=self._pairs("model", fields),
            effort_pairs=self._pairs("effort", fields),
            mode_pairs=self._pairs("permission_mode", fields),
            longest_name=LONGEST_NAME,
            longest_prompt=MAX_PROMPT_CHARACTERS,
        )

    def with_due_times(self, schedule: Schedule | None = None) -> Response:
        """The form with the next due times, which nothing is kept of."""
        now = time.time()
        try:
            timing = checked(form.timing_in(request.form))
        except (InvalidSchedule, InvalidTiming) as error:
            return make_response(self.page(request.form, schedule, str(error)), 422)
        due = [day_words(each, timing.zone, now) for each in timing.next(now)]
        return make_response(self.page(request.form, schedule, meaning=timing.words(), due=due))

    def choices(self, name: str) -> Mapping[str, str]:
        """What can be chosen for an option of a new session, with its label."""
        (found,) = (each for each in self._presenter.view("").fields if each.name == name)
        return {each.value: each.label for each in found.choices}

    def _pairs(self, name: str, fields: Mapping[str, str]) -> list[tuple[str, str]]:
        chosen = fields.get(name, "")
        known = self.choices(name)
        return [*known.items(), *([(chosen, chosen)] if chosen not in known else [])]


def _revision(fields: Mapping[str, str], schedule: Schedule | None, is_stale: bool) -> str:
    if schedule is None:
        return ""
    return schedule.revision if is_stale else fields.get("revision", schedule.revision)
