"""How far the runs of agents are, and what they have used: as it is now, and as it is recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from opcode_htmx.engines.claude.files import history
from opcode_htmx.features.agents.running import records, state
from opcode_htmx.features.agents.running.copies import AgentCopies, CannotUseWorktree
from opcode_htmx.features.agents.running.metrics import SessionFigures
from opcode_htmx.features.agents.running.records import AgentRun, AgentRuns, Status
from opcode_htmx.features.agents.running.state import RunView
from opcode_htmx.features.context import AppContext
from opcode_htmx.runs.control.run import Run


class AgentProgress:
    """Follows the runs of agents. One instance serves one worker."""

    def __init__(self, context: AppContext, runs: AgentRuns, copies: AgentCopies) -> None:
        self._context = context
        self._records = runs
        self._copies = copies
        self._figures = SessionFigures()

    def view(self, record: AgentRun) -> RunView:
        """A run, with its state and figures as they are now."""
        run = self.run_of(record)
        beginning = None if run else self._copies.beginning(record)
        status = state.status_of(record, run, beginning)
        figures = self._figures.of(self.history_file(record))
        end = state.end_of(record, status, beginning)
        if end is None and run is not None and run.record.end:
            end = run.record.end.at
        return RunView(
            record,
            status,
            state.metrics_of(record, figures),
            max(0.0, (end or records.now()) - record.created_at),
            figures.answer if figures else "",
            run,
            beginning,
        )

    def row(self, record: AgentRun) -> RunView:
        """The same without reading the session's history: figures are those of the last turn."""
        run = self.run_of(record)
        beginning = None if run else self._copies.beginning(record)
        status = state.status_of(record, run, beginning)
        duration = (state.end_of(record, status, beginning) or records.now()) - record.created_at
        return RunView(record, status, record.metrics, duration, "", run, beginning)

    def note(self, session_id: str, *, cost_usd: float | None, turn: Status | None) -> None:
        """A turn has ended, or the process has: keep how far the run is, and what it has used.

        `turn` is how the turn has ended; None where the process has.
        """
        if not self._context.runs.options.profiles.label(session_id)[0]:
            return
        record = self._records.of_session(session_id)
        if record is None or (turn is None and record.status.is_over):
            return
        view = self.view(replace(record, status=Status.RUNNING))
        status, metrics = view.status, view.metrics
        if turn is not None and status in (Status.COMPLETED, Status.FAILED):
            status = turn
        if cost_usd is not None:
            metrics = replace(metrics, cost_usd=cost_usd)
        over = records.now() if status.is_over else None
        self._records.update(record.id, status=status, metrics=metrics, completed_at=over)

    def check_begun(self, record: AgentRun) -> None:
        """Raise CannotUseWorktree if the task of a run could not be sent."""
        beginning = None if self.run_of(record) else self._copies.beginning(record)
        if beginning is not None and not beginning.is_under_way:
            raise CannotUseWorktree(beginning.problem)

    def run_of(self, record: AgentRun) -> Run | None:
        """The newest process run of its session, if one is still kept."""
        runs = self._context.runs.of_session(record.session_id)
        return runs[-1] if runs else None

    def history_file(self, record: AgentRun) -> Path | None:
        """The history of its session, once Claude has written some."""
        return history.find(self._context.workspace.config_dir, record.session_id)
