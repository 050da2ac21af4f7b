"""The agents that schedules start: a feature provides them, because no feature imports another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class Agents(Protocol):
    """Knows the agents, and starts them."""

    def name(self, agent_id: int) -> str:
        """What an agent is called; empty if there is none of this number."""

    def check(self, agent_id: int) -> None:
        """Raise what says, in a sentence, why this server does not start the agent."""

    def start(
        self,
        agent_id: int,
        folder: Path,
        task: str,
        *,
        in_worktree: bool,
        session_id: str,
        prompt_id: str,
    ) -> str:
        """Start an agent in a folder, or in a worktree of it; the id of the process run.

        Under the same ids the same start: what has begun is not begun again, and what a crash has
        cut off is completed. The id is empty where the run is not kept any more. Raises what says,
        in a sentence, why the agent cannot start.
        """


class NoAgents(Exception):
    """This server has no agents; the text is a sentence for the person."""


class ScheduledAgents:
    """The place where the feature of agents puts them; a server without that feature has none."""

    def __init__(self) -> None:
        self._provided: Callable[[], Agents] | None = None

    def provide(self, agents: Callable[[], Agents]) -> None:
        """`agents` gives them each time that they are asked for."""
        self._provided = agents

    @property
    def all(self) -> Agents:
        """Raises NoAgents."""
        if self._provided is None:
            raise NoAgents("This server has no agents.")
        return self._provided()

    def name(self, agent_id: int | None) -> str:
        """What an agent is called; empty if there is none of this number, or none is chosen."""
        return self._provided().name(agent_id) if self._provided and agent_id is not None else ""
