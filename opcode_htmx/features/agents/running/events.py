"""Keep the records and the limits of agents' runs when turns and processes end."""

from __future__ import annotations

import contextlib

from opcode_htmx.features.agents.running.progress import AgentProgress
from opcode_htmx.features.agents.running.records import Status
from opcode_htmx.runs.events.types import RunEnded, RunEvent, TurnEnded
from opcode_htmx.runs.registry import RunNotFound
from opcode_htmx.runs.supervisor import Supervisor

_ABORTED = "aborted"
"""Claude's reason for a turn that a person has interrupted begins with it."""


def turn_ended(progress: AgentProgress, supervisor: Supervisor, event: TurnEnded) -> None:
    """Note how the turn has ended, and what the session has cost so far."""
    turn = Status.FAILED if event.is_error else Status.COMPLETED
    if event.reason.startswith(_ABORTED):
        turn = Status.CANCELLED
    _keep_limits(supervisor, event)
    progress.note(event.session_id, cost_usd=event.usage.session_cost_usd, turn=turn)


def run_ended(progress: AgentProgress, supervisor: Supervisor, event: RunEnded) -> None:
    """Note how the process has ended, if no turn has said it before."""
    _keep_limits(supervisor, event)
    progress.note(event.session_id, cost_usd=None, turn=None)


def _keep_limits(supervisor: Supervisor, event: RunEvent) -> None:
    """Keep the limits where a session goes on under another id, as after `/clear`."""
    with contextlib.suppress(RunNotFound):
        run = supervisor.get(event.run_id)
        run.fold_new_lines()
        now, before = run.state.session_id, run.record.session_id
        if now and now != before:
            supervisor.options.profiles.copy(before, now)
