"""How a run has ended."""

from __future__ import annotations

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.record import Outcome
from tests.support.cli.supervision import record_on_disk


def end_of(run: Run) -> tuple[Outcome, str]:
    assert run.join(20), f"the run is still {run.phase}"
    assert run.record.end is not None
    on_disk = record_on_disk(run)["end"]
    assert (on_disk["outcome"], on_disk["cause"]) == (run.record.end.outcome, run.record.end.cause)
    return run.record.end.outcome, run.record.end.cause
