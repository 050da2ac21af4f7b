"""Resources: disk, repositories, worktrees and processes, each with its clean-up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem
from opcode_htmx.features.resources.clean_up import PlanChanged
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.processes.orphans import NotAnOrphan
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.resources.clean_up import CleanUp
    from opcode_htmx.features.resources.disk import DiskSurvey
    from opcode_htmx.features.resources.processes import ProcessList


@dataclass(frozen=True, slots=True)
class _Parts:
    disk: DiskSurvey
    clean_up: CleanUp
    processes: ProcessList


def _made(context: AppContext) -> _Parts:
    from opcode_htmx.features.resources.clean_up import CleanUp
    from opcode_htmx.features.resources.disk import DiskSurvey
    from opcode_htmx.features.resources.processes import ProcessList
    from opcode_htmx.runs.processes.claude_process import MONITOR
    from opcode_htmx.sessions.repositories.services import services
    from opcode_htmx.sessions.terminals.services import services as terminal_services

    found, runs = context.once(services), context.runs
    return _Parts(
        DiskSurvey(found.sizes, context.sessions.surveyor, found.places.folder),
        CleanUp(found, context.settings.child_environment),
        ProcessList(
            runs,
            context.sessions.lookup,
            MONITOR,
            runs.orphans,
            context.once(terminal_services).terminals.host_pids,
        ),
    )


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.resources import routes
    from opcode_htmx.sessions.repositories.services import services

    parts = context.once(_made)
    yield routes.blueprint(context.once(services), parts.disk, parts.clean_up, parts.processes)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.resources.api import ResourcesApi

    parts = context.once(_made)
    return ResourcesApi(parts.disk, parts.clean_up, parts.processes).endpoints()


FEATURE = Feature(
    name="resources",
    routes=_routes,
    folders=("/resources",),
    nav=(NavItem("resources.page", "Resources", icon="resources", order=815),),
    errors={NotAnOrphan: 404, PlanChanged: 409},
    endpoints=_endpoints,
)
