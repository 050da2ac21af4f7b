"""The sessions that need the person: those that wait, that went wrong, or that are done unseen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from opcode_htmx.rendering.activity_text import request_text
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.read_positions import ReadPositions

FRESH_SECONDS = 0.5


class Reason(StrEnum):
    ASKS = "asks"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """A session that needs the person, by its newest run; `at` is a Unix time."""

    run: Run
    reason: Reason
    text: str
    at: float


class AttentionList:
    def __init__(self, supervisor: Supervisor, marks: ReadPositions) -> None:
        self._supervisor = supervisor
        self._marks = marks
        self._looked: tuple[float, list[AttentionItem]] = (-FRESH_SECONDS, [])

    def all(self) -> list[AttentionItem]:
        """What waits for an answer first, then what is over, the newest of each first."""
        found = [need for run in self._supervisor.newest() if (need := self._need(run))]
        return sorted(found, key=lambda need: (need.reason is not Reason.ASKS, -need.at))

    def beside(self, session_id: str) -> int:
        """How many other sessions than this one need the person; asked for with every frame."""
        if time.monotonic() - self._looked[0] > FRESH_SECONDS:
            self._looked = time.monotonic(), self.all()
        return sum(need.run.record.session_id != session_id for need in self._looked[1])

    def _need(self, run: Run) -> AttentionItem | None:
        if run.phase is Phase.WAITING and run.state.asks:
            request = next(iter(run.state.asks.values()))
            text = f"Waiting for your answer: {request_text(request)}"
            return AttentionItem(run, Reason.ASKS, text, run.folder.last_output())
        seen = self._marks.of(run.record.session_id).at
        end = run.record.end
        if end is None:
            # an agent in the background does a part of what was asked for
            unfinished = run.phase is not Phase.IDLE or run.state.background.agents
            if unfinished or not run.state.turns:
                return None
        elif end.outcome is Outcome.CANCELLED or end.at <= seen:
            return None
        elif end.outcome is not Outcome.COMPLETED:
            return AttentionItem(run, Reason.FAILED, end.cause, end.at)
        # A process that ends in its own time says nothing new: its last words count
        at = run.folder.last_output()
        if at <= seen or (end and not run.folder.output.exists()):
            return None
        return AttentionItem(run, Reason.DONE, "Done since you last looked", at)
