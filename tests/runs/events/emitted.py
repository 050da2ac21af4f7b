"""Events of runs as they are emitted."""

from __future__ import annotations

from opcode_htmx.lib.identity import owner
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.events.types import RunEvent
from opcode_htmx.runs.supervisor import Supervisor
from tests.runs.events.listening import in_journal, names
from tests.support.cli.supervision import Supervision, until

OTHER = owner("opcode", "0" * 32)
LIFE = ["run_started", "prompt_submitted", "turn_ended", "run_ended"]


def emitted(supervision: Supervision, *kinds: str) -> list[RunEvent]:
    """All events so far, once these are there."""

    def found() -> list[RunEvent]:
        events = in_journal(supervision.sandbox.state)
        return events if sorted(names(events)) == sorted(kinds) else []

    return until(
        found, f"{kinds} are emitted, beside {names(in_journal(supervision.sandbox.state))}"
    )


def ended(run: Run) -> Run:
    assert run.join(20)
    return run


def seen_by(other: Supervisor, run: Run) -> Run:
    (found,) = other.of_session(run.record.session_id)
    return found
