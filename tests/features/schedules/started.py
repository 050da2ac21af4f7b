"""Schedules that are due, and what they have started."""

from __future__ import annotations

import json
import time
from typing import Any

from opcode_htmx.features.agents.model import Agent
from opcode_htmx.features.agents.running import records
from opcode_htmx.features.agents.running.records import AgentRuns
from opcode_htmx.features.agents.store import FOLDER as AGENTS
from opcode_htmx.features.agents.store import NUMBERS, VERSIONS, AgentStore, Numbers
from opcode_htmx.sessions.schedules.model import Occurrence, Schedule, State, Work
from opcode_htmx.sessions.schedules.store import FOLDER, PROGRESS, ScheduleStore
from opcode_htmx.sessions.schedules.timing import once_at
from tests.support.environment import Sandbox, runs_of, until

SCHEDULE = "5" * 32


def store_of(sandbox: Sandbox) -> ScheduleStore:
    return ScheduleStore(sandbox.state / FOLDER.name, sandbox.state / PROGRESS.name)


def kept(
    sandbox: Sandbox,
    prompt: str,
    due: float,
    *,
    own: str = SCHEDULE,
    handled: float | None = None,
    **more: Any,
) -> ScheduleStore:
    """A schedule that is due once, on the full minute after `due`; `own` is its id."""
    store, timing = store_of(sandbox), once_at(due, "UTC")
    work = Work(str(sandbox.project), prompt, agent_id=more.pop("agent_id", None))
    schedule = Schedule(own, work, more.pop("timing", timing), created_at=due, **more)
    store.add(schedule, due - 1 if handled is None else handled)
    return store


def with_agent(sandbox: Sandbox) -> int:
    """An agent that exists before the server starts; its number."""
    state = sandbox.state
    store = AgentStore(state / AGENTS, state / VERSIONS, Numbers(state / NUMBERS))
    return store.add(Agent(name="Gardener", system_prompt="You water.", model="haiku")).id


def agent_runs(sandbox: Sandbox) -> AgentRuns:
    return AgentRuns(sandbox.state / records.FOLDER, Numbers(sandbox.state / NUMBERS))


def settled(store: ScheduleStore, *states: State, own: str = SCHEDULE) -> list[Occurrence]:
    """What has come of the schedule, once it is in one of these states."""

    def found() -> list[Occurrence]:
        occurrences = list(store.progress(own).occurrences)
        return occurrences if occurrences and occurrences[-1].state in states else []

    return until(found, f"the outcome is one of {states}")


def prompts_of(sandbox: Sandbox, session_id: str) -> list[str]:
    """The prompts that were sent in a session, by all of its runs."""
    found = []
    for run in runs_of(sandbox.state, session_id):
        lines = (run / "in.ndjson").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        found += [each["uuid"] for each in entries if each["type"] == "user"]
    return found


def last_minute() -> float:
    """The last full minute, which counts as on time."""
    return time.time() // 60 * 60


def argv_of(sandbox: Sandbox, session_id: str) -> list[str]:
    """The arguments of a session's first process."""
    record = json.loads((runs_of(sandbox.state, session_id)[0] / "run.json").read_bytes())
    argv: list[str] = record["argv"]
    return argv
