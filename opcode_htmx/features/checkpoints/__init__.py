"""Checkpoints of the files, and going back to before a prompt."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from flask import Blueprint, url_for

from opcode_htmx.features.checkpoints.rewind import CannotRewind
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, PageLink
from opcode_htmx.lib.concurrency.jobs import Job, every, once
from opcode_htmx.runs.events.types import TurnEnded
from opcode_htmx.sessions.checkpoints.recorder import NoSuchCheckpoint
from opcode_htmx.sessions.checkpoints.service import ClaudeWorks, PlanChanged
from opcode_htmx.sessions.checkpoints.settings import CheckpointsSettings
from opcode_htmx.sessions.checkpoints.trees import CheckpointRefused
from opcode_htmx.web.rest.endpoint import Endpoint


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.checkpoints.pages import rewind_routes, routes
    from opcode_htmx.features.checkpoints.rewind import Rewind

    yield routes.blueprint(context)
    yield rewind_routes.blueprint(context, context.once(Rewind))


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.checkpoints import api, rewind_api
    from opcode_htmx.features.checkpoints.rewind import Rewind

    yield from api.CheckpointsApi(context).endpoints()
    yield from rewind_api.endpoints(context, context.once(Rewind))


def _jobs(context: AppContext) -> Iterable[Job]:
    from opcode_htmx.features.checkpoints import background

    yield once("finish restores of checkpoints", partial(background.finish_restores, context))
    yield every(
        background.EVERY_SECONDS, "remove old checkpoints", partial(background.collect, context)
    )


def _turn_ended(context: AppContext, event: TurnEnded) -> None:
    context.sessions.automatic_checkpoints.turn_ended(event)


def _of_session(context: AppContext, project_id: str, session_id: str) -> str:
    return url_for("checkpoints.page", project_id=project_id, session_id=session_id)


FEATURE = Feature(
    name="checkpoints",
    routes=_routes,
    session_links=(PageLink("Checkpoints", 160, _of_session),),
    errors={
        CheckpointRefused: 422,
        NoSuchCheckpoint: 404,
        ClaudeWorks: 409,
        PlanChanged: 409,
        CannotRewind: 409,
    },
    settings=CheckpointsSettings,
    endpoints=_endpoints,
    on={TurnEnded: _turn_ended},
    jobs=_jobs,
)
