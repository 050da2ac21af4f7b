"""The status of an agent's run, from its process, the start of its worktree, and its record."""

from __future__ import annotations

from dataclasses import replace

from opcode_htmx.features.agents.running.copies import Beginning
from opcode_htmx.features.agents.running.metrics import Figures
from opcode_htmx.features.agents.running.records import AgentRun, Metrics, Status
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome

_OUTCOMES = {Outcome.COMPLETED: Status.COMPLETED, Outcome.CANCELLED: Status.CANCELLED}


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as pages and the API show it."""

    record: AgentRun
    status: Status
    metrics: Metrics
    duration: float
    """Seconds, up to now for one that is not over."""
    answer: str
    run: Run | None
    """The newest process run of its session, if it is still kept."""
    beginning: Beginning | None = None
    """How its start gets on; None once its task was sent."""

    @property
    def is_setting_up(self) -> bool:
        return self.beginning is not None and self.beginning.is_under_way

    @property
    def is_live(self) -> bool:
        return self.run is not None and self.run.live and not self.status.is_over


def end_of(record: AgentRun, status: Status, beginning: Beginning | None) -> float | None:
    """When a run has ended; None if it has not, or that is not known."""
    if beginning is not None:
        return beginning.ended_at
    return record.completed_at if status.is_over else None


def status_of(record: AgentRun, run: Run | None, beginning: Beginning | None) -> Status:
    if beginning is not None:
        return beginning.status
    if run is None:
        return record.status if record.status.is_over else Status.FAILED
    if run.record.end:
        found = _OUTCOMES.get(run.record.end.outcome, Status.FAILED)
        # what a turn has ended with counts more than how its process was ended later
        return record.status if record.status.is_over else found
    match run.phase:
        case Phase.QUEUED:
            return Status.PENDING
        case Phase.IDLE if run.state.turns and not run.state.background.agents:
            return record.status if record.status.is_over else Status.COMPLETED
        case _:
            return Status.RUNNING


def metrics_of(record: AgentRun, figures: Figures | None) -> Metrics:
    if figures is None:
        return record.metrics
    return replace(
        record.metrics,
        tokens=figures.tokens,
        messages=figures.messages,
        files_changed=figures.files,
        lines_added=figures.added,
        lines_removed=figures.removed,
    )
