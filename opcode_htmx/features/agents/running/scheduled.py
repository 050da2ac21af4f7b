"""The agents as schedules start them: by their numbers, under ids that are the same each time."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.features.agents.running.progress import AgentProgress
from opcode_htmx.features.agents.running.runner import AgentRunner, Start
from opcode_htmx.features.agents.store import AgentStore, NoSuchAgent
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class AgentsToSchedule:
    """Implements sessions.schedules.agents.Agents."""

    store: AgentStore
    runner: AgentRunner
    progress: AgentProgress
    supervisor: Supervisor

    def name(self, agent_id: int) -> str:
        try:
            return self.store.get(agent_id).agent.name
        except NoSuchAgent:
            return ""

    def check(self, agent_id: int) -> None:
        """Raises NoSuchAgent and BypassNotAllowed."""
        mode = self.store.get(agent_id).agent.permission_mode
        self.supervisor.options.check(mode or None)

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
        """Start it, and wait for the set-up of its worktree.

        Raises NoSuchAgent, and what AgentRunner.start does.
        """
        self.runner.wait(session_id)  # a worker that had the schedules before may be at it
        # A prompt that was sent already starts nothing again: its agent may be deleted by now.
        if not self.supervisor.starts.has_sent(session_id, prompt_id):
            wanted = Start(
                folder,
                task,
                in_worktree=in_worktree,
                session_id=session_id,
                prompt_id=prompt_id,
            )
            record = self.runner.start(self.store.get(agent_id), wanted, by=SYSTEM)
            self.runner.wait(session_id)
            self.progress.check_begun(record)
        runs = self.supervisor.of_session(session_id)
        return runs[-1].id if runs else ""
