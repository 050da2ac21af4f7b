"""Become the owner of runs: of those begun here, and of those that have lost their owner."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable

from opcode_htmx.lib.process_identity import ProcessIdentity
from opcode_htmx.runs.control import launcher
from opcode_htmx.runs.control.launcher import RunSettings
from opcode_htmx.runs.control.owner import Owner
from opcode_htmx.runs.control.restored_mark import RestoredMark
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.model.warm_mark import WarmMark
from opcode_htmx.runs.processes import claude_process

log = logging.getLogger(__name__)


class Adoption:
    """Makes this worker the owner of runs."""

    def __init__(
        self,
        settings: RunSettings,
        adopted: Callable[[Run], None],
        on_change: Callable[[], None],
        publish: Callable[[Run], None],
        discarded: Callable[[Run], None],
    ) -> None:
        """The first callbacks are those of RunRegistry.

        `discarded` is called with each run that has ended without a prompt, once nothing is left
        of it on disk.
        """
        self._settings = settings
        self._adopted = adopted
        self._on_change = on_change
        self._publish = publish
        self._discarded = discarded

    def own(self, run: Run, lock: int) -> Owner:
        """Become the owner of a run, whose owner lock is held as the file descriptor `lock`."""

        def history_end(fell_silent: float) -> int:
            history, record = self._settings.engine.history, run.record
            return history.end_of_part(record.session_id, record.history_start, fell_silent)

        owner = Owner(run, lock, history_end, self._settings.stop_deadline, self._discard)
        self._publish(run)
        return owner

    def take_over(self, run: Run) -> None:
        """Become the owner of a run that has none."""
        try:
            lock = run.folder.own()
        except OSError as error:
            log.warning("cannot become the owner of run %s: %s", run.id, error)
            return
        if lock is None:
            return
        run.refresh_record()  # it may have ended before its owner did
        if not run.live:
            os.close(lock)
            return
        if RestoredMark(run.folder.path).exists():
            self.own(run, lock).finish(
                None, (Outcome.INTERRUPTED, "Restored from a backup of a live run.")
            )
            return
        record = run.record
        if record.pid is None or record.process_started_at is None:
            self._take_over_unstarted(run, lock)
            return
        owner = self.own(run, lock)
        found = claude_process.adopt(ProcessIdentity(record.pid, record.process_started_at), run.id)
        if found is None:
            claude_process.sweep(run.id)
            owner.finish(None)
            return
        log.info("adopted run %s, process %s", run.id, found.identity.pid)
        owner.begin(found)
        self._adopted(run)

    def _take_over_unstarted(self, run: Run, lock: int) -> None:
        """Become the owner of a run without a process, which may be queued."""
        try:
            # A server may have been killed between the start and its record. Before the run has an
            # owner: once it has one, the scheduler may start it at any time.
            claude_process.sweep(run.id)
        except BaseException:
            os.close(lock)
            raise
        owner = self.own(run, lock)
        if run.stopping:
            owner.end()
        elif not run.state.waiting:
            owner.finish(None, (Outcome.INTERRUPTED, "Ended before Claude was started."))
        self._on_change()

    def _discard(self, run: Run) -> None:
        """Remove all that a run has left which has ended without a prompt."""
        engine, record = self._settings.engine, run.record
        changed_at = WarmMark(run.folder.path).history_changed_at()
        hidden = run.folder.path.with_name(f"{launcher.UNPUBLISHED}{run.id}")
        try:
            if record.pid is not None:
                engine.processes.remove(record.pid, record.session_id)
            if changed_at is not None:
                engine.history.restore_time(record.session_id, record.history_start, changed_at)
            run.folder.path.rename(hidden)  # at once for all workers
        except OSError as error:
            log.warning("could not remove what unused run %s has left: %s", run.id, error)
        shutil.rmtree(hidden, ignore_errors=True)
        self._discarded(run)
