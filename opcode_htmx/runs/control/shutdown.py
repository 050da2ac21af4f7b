"""End the process of a run within a deadline: interrupt, SIGTERM, SIGKILL.

Knows one run and its process; its owner records the end.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

import gevent

from opcode_htmx.engines.identifiers import INTERRUPT_ID
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.run_folder import InputClosed
from opcode_htmx.runs.processes.claude_process import ClaudeProcess

if TYPE_CHECKING:
    from opcode_htmx.runs.control.run import Run

log = logging.getLogger(__name__)

INTERRUPT_SHARE, TERMINATE_SHARE = 0.4, 0.75
"""Shares of the deadline at which SIGTERM follows the interrupt, and SIGKILL follows SIGTERM.

The rest is for the sweep of all that Claude has started.
"""


def end(run: Run, process: ClaudeProcess, deadline: float, *, open_turn: bool) -> None:
    """End `process` and all that it has started; each step has its share of the deadline."""
    began = time.monotonic()
    process.family()  # what has been seen stays known to the monitor, even if it is reparented now

    def gone_by(share: float) -> bool:
        return run.join(max(0.0, began + share * deadline - time.monotonic()))

    if run.is_unused and run.stopped_in is Phase.IDLE and not _has_run_hooks(run):
        process.kill()  # SIGTERM would make Claude append to its history
        run.join(deadline)
        return
    if open_turn:
        _interrupt(run, began + INTERRUPT_SHARE * deadline)
    process.terminate()
    if not gone_by(TERMINATE_SHARE):
        process.kill()
        run.join(deadline)


def _has_run_hooks(run: Run) -> bool:
    """Whether hooks of the user's have run at the start: then those at the end have to, too."""
    try:
        return b'"hook_started"' in run.folder.output.read_bytes()
    except OSError:
        return True


def _interrupt(run: Run, until: float) -> None:
    """Ask Claude to end the turn, so that its history records it."""
    turns = run.state.turns
    try:
        # within the remaining time, however full the pipe
        remaining = max(0.0, until - time.monotonic())
        with contextlib.suppress(gevent.Timeout), gevent.Timeout(remaining):
            run.folder.send(run.codec.interrupt_line(INTERRUPT_ID))
    except InputClosed:
        return
    except OSError:
        log.exception("could not interrupt run %s, ending it at once", run.id)
        return
    seen = run.changed.version
    while run.state.turns == turns and run.live and time.monotonic() < until:
        seen = run.changed.wait(seen, max(0.0, until - time.monotonic()))
