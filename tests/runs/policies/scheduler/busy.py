"""Runs that take all places."""

from __future__ import annotations

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.record import Outcome
from tests.support.cli.supervision import Supervision, steps, texts, until

LAST = ["exit after turn", 0]


class Busy:
    """A run that works until it is let go."""

    def __init__(self, supervision: Supervision, name: str = "gate") -> None:
        self.gate = supervision.sandbox.home / name
        self.run = supervision.prompt(steps(["text", "busy"], ["wait", str(self.gate)], LAST))
        until(lambda: texts(self.run) == ["busy"], "it works")

    def let_go(self) -> None:
        self.gate.touch()


def end_of(run: Run) -> tuple[Outcome, str]:
    assert run.join(20), f"the run is still {run.phase}"
    assert run.record.end is not None
    return run.record.end.outcome, run.record.end.cause
