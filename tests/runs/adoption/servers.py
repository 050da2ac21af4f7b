"""Servers that are killed, and what their runs have left."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.model.run_folder import RunFolder
from tests.support.cli.supervision import record_on_disk

ServeAndKill = Callable[[str, Callable[[RunFolder], object]], str]


def wrote(text: str) -> Callable[[RunFolder], object]:
    return lambda folder: text in folder.output.read_text(encoding="utf-8")


def ended(run: Run) -> tuple[Outcome, str, int | None]:
    assert run.join(30), f"the run is still {run.phase}"
    end = run.record.end
    assert end is not None
    assert record_on_disk(run)["end"]["outcome"] == end.outcome.value
    return end.outcome, end.cause, end.exit_status


def kill(run: Run) -> None:
    assert run.record.pid is not None
    psutil.Process(run.record.pid).kill()
