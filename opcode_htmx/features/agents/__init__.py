"""Agents: instructions, limits and hooks under a name, to be run with a task in a project."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated

from flask import Blueprint, Flask, url_for

from opcode_htmx.config.declarations import FeatureSettings, Parser, setting
from opcode_htmx.features.agents.exchange.github import DEFAULT_API, GitHub
from opcode_htmx.features.agents.model import AgentRefused
from opcode_htmx.features.agents.running.copies import CannotUseWorktree
from opcode_htmx.features.agents.running.records import FOLDER as RUNS
from opcode_htmx.features.agents.running.records import MOST as MOST_RUNS
from opcode_htmx.features.agents.running.records import NoSuchAgentRun
from opcode_htmx.features.agents.store import (
    FOLDER,
    NUMBERS,
    VERSION,
    VERSIONS,
    AgentChanged,
    NoSuchAgent,
)
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem, PageLink
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.runs.events.types import RunEnded, TurnEnded
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.agents.pages import AgentPages
    from opcode_htmx.sessions.schedules.agents import Agents


def _address(value: str) -> str:
    if problem := GitHub.problem(value):
        raise ValueError(problem)
    return value


class AgentsSettings(FeatureSettings):
    """OPCODE_AGENTS_GITHUB_API."""

    github_api: Annotated[str, Parser(_address)] = setting(
        DEFAULT_API, "The GitHub API from which agents are imported; only this host is asked."
    )


def _parts(context: AppContext) -> AgentPages:
    """The same ones for pages, API and events: they keep figures in memory."""
    return context.once(_made)


def _made(context: AppContext) -> AgentPages:
    from opcode_htmx.features.agents.pages import AgentPages
    from opcode_htmx.features.agents.running.copies import AgentCopies
    from opcode_htmx.features.agents.running.progress import AgentProgress
    from opcode_htmx.features.agents.running.records import AgentRuns
    from opcode_htmx.features.agents.running.runner import AgentRunner
    from opcode_htmx.features.agents.store import AgentStore, Numbers

    state = context.state
    numbers = Numbers(state.folder(NUMBERS))
    store = AgentStore(state.folder(FOLDER), state.folder(VERSIONS), numbers)
    records = AgentRuns(state.folder(RUNS), numbers)
    copies = AgentCopies(context.sessions.worktrees)
    progress = AgentProgress(context, records, copies)
    runner = AgentRunner(context, records, copies, progress)
    return AgentPages(context, store, records, runner, progress)


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.agents import routes
    from opcode_htmx.features.agents.exchange import routes as exchange_routes
    from opcode_htmx.features.agents.running import routes as run_routes
    from opcode_htmx.sessions.configuration.documents import Documents

    parts = _parts(context)
    yield routes.blueprint(parts)
    yield run_routes.blueprint(parts)
    hub = GitHub(context.settings.of(AgentsSettings).github_api)
    yield exchange_routes.blueprint(parts, hub, Documents(context.sessions.configuration))


def _at_start(context: AppContext, app: Flask) -> None:
    context.sessions.scheduled_agents.provide(partial(context.once, _to_schedule))


def _to_schedule(context: AppContext) -> Agents:
    from opcode_htmx.features.agents.running.scheduled import AgentsToSchedule

    parts = _parts(context)
    return AgentsToSchedule(parts.store, parts.runner, parts.progress, context.runs)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.agents import endpoints

    return endpoints.AgentsApi(_parts(context)).endpoints()


def _turn_ended(context: AppContext, event: TurnEnded) -> None:
    from opcode_htmx.features.agents.running import events

    events.turn_ended(_parts(context).progress, context.runs, event)


def _run_ended(context: AppContext, event: RunEnded) -> None:
    from opcode_htmx.features.agents.running import events

    events.run_ended(_parts(context).progress, context.runs, event)


def _run_of(context: AppContext, project_id: str, session_id: str) -> str:
    if not context.runs.options.profiles.label(session_id)[0]:
        return ""
    return url_for("agent_runs.of_session", session_id=session_id)


def _agents_here(context: AppContext, project_id: str, folder: str) -> str:
    return url_for("agents.page", folder=folder)


FEATURE = Feature(
    name="agents",
    routes=_routes,
    at_start=_at_start,
    nav=(NavItem("agents.page", "Agents", icon="bot", order=300),),
    session_links=(PageLink("Run of the agent", 500, _run_of),),
    project_links=(PageLink("Run an agent", 500, _agents_here),),
    errors={
        NoSuchAgent: 404,
        NoSuchAgentRun: 404,
        AgentRefused: 422,
        AgentChanged: 409,
        CannotUseWorktree: 422,
    },
    state=(
        StateFolder(FOLDER, "the agents", version=VERSION),
        StateFolder(
            VERSIONS, "earlier contents of agents, and deleted ones", "the last 10 of each"
        ),
        StateFolder(
            RUNS, "the records of runs of agents", f"the newest {MOST_RUNS}", version=VERSION
        ),
        StateFolder(NUMBERS, "the numbers that agents and their runs have had", version=VERSION),
    ),
    settings=AgentsSettings,
    endpoints=_endpoints,
    on={TurnEnded: _turn_ended, RunEnded: _run_ended},
)
