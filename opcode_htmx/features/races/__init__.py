"""Races: one prompt in several copies of a project at once, of which the best is merged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint, url_for

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem, PageLink
from opcode_htmx.features.races.records import FOLDER, MOST, VERSION, NoSuchRace, RaceRefused
from opcode_htmx.lib.concurrency.jobs import Job, every
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.races.views import RacePages


def _parts(context: AppContext) -> RacePages:
    return context.once(_made)


def _made(context: AppContext) -> RacePages:
    from opcode_htmx.features.races.endings import RaceEndings
    from opcode_htmx.features.races.records import Races
    from opcode_htmx.features.races.runner import RaceRunner
    from opcode_htmx.features.races.views import RacePages

    races = Races(context.state.folder(FOLDER))
    endings = RaceEndings(context, races)
    return RacePages(context, races, RaceRunner(context, races, endings), endings)


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.races import routes

    yield routes.blueprint(_parts(context))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.races import api

    return api.RacesApi(_parts(context)).endpoints()


def _jobs(context: AppContext) -> Iterable[Job]:
    from opcode_htmx.features.races.runner import ROUND_SECONDS

    runner = _parts(context).runner
    name = "start contestants of races"
    yield every(ROUND_SECONDS, name, runner.round, at_end=runner.stop)


def _race_of(context: AppContext, project_id: str, session_id: str) -> str:
    record = context.sessions.worktrees.of_session(session_id)
    return url_for("races.race", race_id=record.race) if record and record.race else ""


FEATURE = Feature(
    name="races",
    routes=_routes,
    nav=(NavItem("races.page", "Races", icon="flag", order=330),),
    session_links=(PageLink("Its race", 330, _race_of),),
    errors={NoSuchRace: 404, RaceRefused: 422},
    state=(
        StateFolder(
            FOLDER, "races: one prompt in several copies", f"the newest {MOST}", version=VERSION
        ),
    ),
    endpoints=_endpoints,
    jobs=_jobs,
)
