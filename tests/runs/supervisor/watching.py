"""What is asked of a run under a supervisor, and waited for."""

from __future__ import annotations

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from tests.support.cli.supervision import record_on_disk, until


def ended(run: Run) -> tuple[Outcome, str]:
    """How a run ended, once it has; on disk it says the same."""
    assert run.join(20), f"the run is still {run.phase}"
    end = run.record.end
    assert end is not None
    assert run.phase is Phase.ENDED
    on_disk = record_on_disk(run)["end"]
    assert (on_disk["outcome"], on_disk["cause"]) == (end.outcome.value, end.cause)
    assert on_disk["exit_status"] == end.exit_status
    return end.outcome, end.cause


def asked(run: Run) -> str:
    """The id of the request that is open."""
    return until(lambda: next(iter(run.state.asks), ""), "Claude asks")


def pid_of(run: Run) -> int:
    assert run.record.pid is not None
    return run.record.pid


def all_answered(run: Run, turns: int) -> None:
    until(lambda: run.state.turns == turns and run.phase is Phase.IDLE, "all is answered")
