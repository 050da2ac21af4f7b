"""The copies of projects that runs of agents work in: made, set up before the task, stopped.

How far such a start is, is read from the record of the copy: a crash, or going on from the page of
the start, leaves nothing else to be mended.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from opcode_htmx.features.agents.running.records import AgentRun, Status
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.sessions.worktrees import naming
from opcode_htmx.sessions.worktrees.making import unattended
from opcode_htmx.sessions.worktrees.records import SessionWorktree, Setup
from opcode_htmx.sessions.worktrees.service import CannotCopy, SessionWorktrees, Wish

CUT_OFF = "The server ended before the agent began."


class CannotUseWorktree(Exception):
    """A worktree cannot be made, or not be set up; the text says why."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """How far a run in a worktree is whose task was not sent yet. Times are Unix seconds."""

    status: Status
    problem: str
    """Why it did not go on; empty while it does."""
    ended_at: float | None
    has_output: bool
    """Whether its set-up command has printed something."""

    @property
    def is_under_way(self) -> bool:
        return self.status is Status.PENDING

    @property
    def is_cut_off(self) -> bool:
        """Whether neither a failure nor a person has ended it: the same start goes on with it."""
        return self.status is Status.FAILED and self.ended_at is None


class AgentCopies:
    """The copies of one worker's runs of agents."""

    def __init__(self, service: SessionWorktrees) -> None:
        self._service = service

    def prepare(
        self,
        session_id: str,
        prompt_id: str,
        project: Path,
        task: str,
        name: str,
        options: tuple[str, str],
        *,
        by: Identity,
    ) -> SessionWorktree:
        """The worktree of a run; `name` is the agent's, `options` are model and mode.

        Raises CannotUseWorktree, BudgetReached, InvalidFolder, OSError.
        """
        wish = Wish(
            folder=project,
            words=name,
            prompt_id=prompt_id,
            prompt=task,
            options=unattended(*options),
            branch=f"{naming.slug(name) or 'agent'}-{session_id[:8].lower()}",
        )
        try:
            return self._service.prepare(session_id, wish, by=by, is_trusted=True)
        except CannotCopy as error:
            raise CannotUseWorktree(str(error)) from None

    def needs_setup(self, copy: SessionWorktree) -> bool:
        return self._service.needs_setup(copy)

    def begin(self, session_id: str, send: Callable[[Path], object], *, by: Identity) -> None:
        """Set a copy up and send the task, beside the request. Raises TrustNeeded."""
        self._service.begin(session_id, send, by=by)

    def begun(self, session_id: str) -> None:
        self._service.begun(session_id)

    def take_back(self, session_id: str) -> None:
        self._service.take_back(session_id)

    def beginning(self, record: AgentRun) -> Beginning | None:
        """How the start of a run gets on; None once its task was sent, and without a copy."""
        copy = self._service.of_session(record.session_id) if record.in_worktree else None
        if copy is None or not copy.state.is_open:
            return None
        has_output = copy.setup is not Setup.NONE and bool(self._service.output(copy.session_id))
        if self._service.is_under_way(record.session_id):
            return Beginning(Status.PENDING, "", None, has_output)
        status = Status.CANCELLED if copy.setup is Setup.STOPPED else Status.FAILED
        has_failed = copy.problem_at > 0
        problem = copy.problem if has_failed else CUT_OFF
        return Beginning(status, problem, copy.problem_at if has_failed else None, has_output)

    def stop(self, session_id: str, *, by: Identity) -> bool:
        """End a set-up; whether there was one."""
        return self._service.stop_setup(session_id, by=by)

    def wait(self, session_id: str) -> None:
        """Wait until a set-up is over, and what follows it."""
        self._service.wait(session_id)
