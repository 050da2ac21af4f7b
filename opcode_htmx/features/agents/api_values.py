"""Agents and their runs as the API has them, and the agent of a request."""

from __future__ import annotations

from opcode_htmx.features.agents import api_models as models
from opcode_htmx.features.agents.model import Agent, checked
from opcode_htmx.features.agents.running.state import RunView
from opcode_htmx.features.agents.serialization import as_document, hooks_of
from opcode_htmx.features.agents.store import StoredAgent
from opcode_htmx.rendering.clock import iso_time


def agent_of(body: models.NewAgent, before: Agent | None = None) -> Agent:
    """The agent of a request, with the unknown keys of the one that it replaces."""
    return checked(
        Agent(
            name=body.name,
            icon=body.icon,
            system_prompt=body.system_prompt,
            default_task=body.default_task or "",
            model=body.model or "",
            permission_mode=body.permission_mode,
            may_read_files=body.enable_file_read,
            may_write_files=body.enable_file_write,
            may_use_network=body.enable_network,
            replaces_prompt=body.replaces_prompt,
            allowed_tools=tuple(body.allowed_tools),
            denied_tools=tuple(body.denied_tools),
            folders=tuple(body.folders),
            closed_paths=tuple(body.closed_paths),
            hooks=hooks_of(body.hooks),
            unknown=before.unknown if before else {},
            unknown_own=before.unknown_own if before else {},
        )
    )


def agent_info(stored: StoredAgent) -> models.Agent:
    """An agent as an answer of the API has it."""
    agent = stored.agent
    shown = as_document(agent)
    return models.Agent(
        id=stored.id,
        name=agent.name,
        icon=agent.icon,
        system_prompt=agent.system_prompt,
        default_task=agent.default_task or None,
        model=agent.model,
        enable_file_read=agent.may_read_files,
        enable_file_write=agent.may_write_files,
        enable_network=agent.may_use_network,
        hooks=shown["hooks"],
        permission_mode=agent.permission_mode,
        replaces_prompt=agent.replaces_prompt,
        allowed_tools=list(agent.allowed_tools),
        denied_tools=list(agent.denied_tools),
        folders=list(agent.folders),
        closed_paths=list(agent.closed_paths),
        revision=stored.revision,
        created_at=iso_time(stored.created_at),
        updated_at=iso_time(stored.updated_at),
    )


def run_info(view: RunView) -> models.AgentRunInfo:
    """A run of an agent as an answer of the API has it."""
    record, process = view.record, view.run.record if view.run else None
    started = process.process_started_at if process else None
    ended_at = view.beginning.ended_at if view.beginning else record.completed_at
    return models.AgentRunInfo(
        id=record.id,
        agent_id=record.agent_id,
        agent_name=record.agent_name,
        agent_icon=record.agent_icon,
        task=record.task,
        model=record.model,
        project_path=record.project,
        session_id=record.session_id,
        status=view.status.value,
        pid=process.pid if process and view.is_live else None,
        process_started_at=iso_time(started) if started else None,
        created_at=iso_time(record.created_at),
        completed_at=iso_time(ended_at) if ended_at else None,
        working_path=record.folder,
        problem=view.beginning.problem or None if view.beginning else None,
    )
