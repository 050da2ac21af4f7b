"""The owner of a run: the one worker that waits for its end, ends it, and records it.

The owner holds the lock in the run's folder. The lock ends with its holder, however that dies; then
another worker, or the next server, takes the run over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator

import gevent

from opcode_htmx.lib.logs import context
from opcode_htmx.runs.control import shutdown
from opcode_htmx.runs.control.cleared_mark import ClearedMark
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.following.followed_run import ERROR_LINES
from opcode_htmx.runs.model.exit_status import how_it_ended
from opcode_htmx.runs.model.lifecycle import OPEN_TURN
from opcode_htmx.runs.model.record import Outcome, RunEnd, RunRecord
from opcode_htmx.runs.model.run_folder import InputClosed
from opcode_htmx.runs.model.warm_mark import WarmMark
from opcode_htmx.runs.processes.claude_process import ClaudeProcess, sweep

log = logging.getLogger(__name__)


class Owner:
    """Owns one run until it has ended, or is detached."""

    def __init__(
        self,
        run: Run,
        lock: int,
        history_end: Callable[[float], int],
        stop_deadline: float,
        discard: Callable[[Run], None] = lambda run: None,
    ) -> None:
        """`lock` is the descriptor that `RunFolder.own` has returned.

        `discard` removes all that a run has left which has ended without a prompt.
        """
        self._discard = discard
        self._run = run
        self._lock: int | None = lock
        self._history_end = history_end
        self._stop_deadline = stop_deadline
        self._process: ClaudeProcess | None = None
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._stop_by: float | None = None
        """The deadline of a stop, by the monotonic clock."""
        self._launching = False
        self._finishing = False
        run.owner = self

    @contextlib.contextmanager
    def launching(self) -> Iterator[None]:
        """While this lasts, the process is being started: a stop waits for the result."""
        self._launching = True
        try:
            yield
        finally:
            self._launching = False
            if self._run.stopping:
                self.end()

    def begin(self, process: ClaudeProcess) -> None:
        """Wait for the end of `process`; end it, if the run has been stopped."""
        self._process = process
        self._greenlets.append(
            gevent.spawn(context.for_run(self._run.id, self._await_exit), process)
        )
        if self._run.stopping:
            self.end()

    def end(self) -> None:
        """End the process and all it has started, since the run has been stopped."""
        if self._launching:
            return
        if self._process is None:
            self.finish(None)
            return
        self._stop_by = time.monotonic() + self._stop_deadline
        open_turn = self._run.stopped_in in OPEN_TURN and not self._run.is_unused
        self._greenlets.append(
            gevent.spawn(
                context.for_run(self._run.id, shutdown.end),
                self._run,
                self._process,
                self._stop_deadline,
                open_turn=open_turn,
            )
        )

    def refuse_unsupported(self) -> None:
        """Answer requests of unknown kinds, for which Claude would otherwise wait for ever."""
        for request_id in list(self._run.state.unsupported):
            try:
                self._run.folder.send(self._run.codec.refusal_line(request_id))
            except InputClosed:
                return
            except OSError:
                log.exception("could not refuse a request of run %s", self._run.id)
                return
            self._run.fold_new_lines()

    def _await_exit(self, process: ClaudeProcess) -> None:
        status = process.wait()
        if self._stop_by is None:
            sweep(self._run.id)
        else:
            sweep(self._run.id, max(0.0, self._stop_by - time.monotonic()))
        self.finish(status)

    def finish(self, status: int | None, how: tuple[Outcome, str] | None = None) -> None:
        """Record the end of the run. `status` is None where the exit status is unknown.

        `how` is the outcome if the run was not stopped; by default it follows from the status.
        """
        if self._finishing:  # writing the record to the disk takes a while
            return
        self._finishing = True
        run, is_unused = self._run, False
        try:
            run.fold_new_lines(last=True)
            is_unused = run.is_unused
        except OSError:  # the end is recorded all the same
            log.exception("could not read the last lines of run %s", run.id)
        if run.stopping:
            how = run.stopping.outcome, run.stopping.cause
        outcome, cause = how or how_it_ended(
            status, open_turn=run.phase in OPEN_TURN, watched=self._process is not None
        )
        history_end = self._history_end(run.folder.last_output())
        end = RunEnd(outcome, time.time(), cause, status, history_end, _last_errors(run))
        record = run.record.ended(end)
        if is_unused:
            self._discard(run)
            self._conclude(record)
            return
        WarmMark(run.folder.path).remove()
        try:
            came_into = (each for each in run.state.session_ids if each != record.session_id)
            ClearedMark(run.folder.path).set(came_into)
            run.folder.store(record, then=lambda: self._conclude(record))
        except OSError:  # the folder is gone or the disk is full; the run is over all the same
            log.exception("could not record the end of run %s", run.id)
        if run.live:
            self._conclude(record)

    def _conclude(self, record: RunRecord) -> None:
        self._run.conclude(record)
        self._run.owner = None
        self._release()

    def detach(self) -> None:
        """Leave the run to another worker, or to the next server."""
        gevent.killall(self._greenlets)
        self._release()

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def _last_errors(run: Run) -> tuple[str, ...]:
    try:
        return tuple(run.folder.error_lines(ERROR_LINES))
    except OSError:  # the folder is gone
        return ()
