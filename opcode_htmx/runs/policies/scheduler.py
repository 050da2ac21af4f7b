"""The start queue: limits how many Claude processes run at once.

A queued run is a folder like all others, with its prompts in it and no process, so the queue
outlives the server, and all workers see the same one: the oldest run is the first.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import gevent
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore

from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs import order
from opcode_htmx.runs.control import launcher
from opcode_htmx.runs.control.launcher import CannotStart, RunSettings
from opcode_htmx.runs.control.owner import Owner
from opcode_htmx.runs.control.prompt_queue import waiting_lines
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import PROCESS, Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.model.run_folder import InputClosed, InputWriter
from opcode_htmx.runs.options.service import SessionOptionsService
from opcode_htmx.runs.policies.project_trust import ProjectTrust

log = logging.getLogger(__name__)

ENDED_FOR_ANOTHER = "Ended, because another session needed the room; a prompt resumes it."


class Scheduler:
    """Starts the processes of the runs of all workers, up to the limit."""

    def __init__(
        self,
        settings: RunSettings,
        options: SessionOptionsService,
        trust: ProjectTrust,
        runs: Callable[[], Iterable[Run]],
        is_viewed: Callable[[str], bool],
        refusal: Callable[[], str] = str,
    ) -> None:
        """`runs` are the live runs on this machine, up to date.

        `is_viewed` returns for a session id whether it has a viewer; `refusal` is why no run may
        start now, else empty.
        """
        self._settings = settings
        self._options = options
        self._trust = trust
        self._runs = runs
        self._is_viewed = is_viewed
        self._refusal = refusal
        self._lock: Path = settings.runs_dir.parent / "starting.lock"
        self._first_come = BoundedSemaphore(1)

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """While this lasts, no other run starts, in any worker. Raises OSError."""
        # in this worker first come, first served; a file lock has no order
        with self._first_come, file_locks.held(self._lock):
            yield

    def queue(self) -> list[Run]:
        """The queued runs, first in, first out."""
        waiting = (run for run in self._runs() if run.phase is Phase.QUEUED)
        return order.first_come(waiting)

    def has_free_slot(self) -> bool:
        """Whether one more may run, and no earlier one is waiting."""
        return not self._settings.max_runs or self._free_slots() > len(self._queued_with_prompt())

    def has_room_for_unused(self) -> bool:
        """Whether a run without a prompt may start: it never takes the last place."""
        return not self._settings.max_runs or (
            self._free_slots() > len(self._queued_with_prompt()) + 1
        )

    def admit(self) -> None:
        """Start queued runs up to the limit, and end idle ones to make room."""
        queue = self.queue()
        self._number(queue)
        if not any(run.owner and run.state.waiting for run in queue) or self._refusal():
            return
        with self.exclusively():
            waiting = self._queued_with_prompt()
            while waiting and (not self._settings.max_runs or self._free_slots() > 0):
                run, *waiting = waiting
                if run.owner is None:
                    return  # it is first, and the worker that owns it starts it
                try:
                    self.launch(run)
                except DiskFull as error:
                    log.warning("start of run %s postponed: %s", run.id, error)
                    return
                except CannotStart as error:
                    log.warning("could not start run %s: %s", run.id, error)
                    if isinstance(run.owner, Owner):
                        run.owner.finish(None, (Outcome.FAILED, str(error)))
            if waiting:
                self._end_idle(len(waiting))

    def _number(self, queue: list[Run]) -> None:
        """Set the places in the queue; None for those that are started now."""
        starting = 0 if self._refusal() else len(queue)
        if self._settings.max_runs:
            starting = min(starting, self._free_slots())
        for number, run in enumerate(queue):
            ahead = None if number < starting else number
            if run.ahead != ahead:
                run.ahead = ahead
                run.changed.notify()

    def launch(self, run: Run) -> None:
        """Start the process of a run of this worker, and deliver the prompts kept for it.

        Raises CannotStart, DiskFull.
        """
        owner = run.owner
        if not isinstance(owner, Owner):
            raise CannotStart("Another worker starts this run.")
        started: AsyncResult[None] = AsyncResult()
        # in a greenlet: a long prompt blocks until Claude reads, and others are to start
        gevent.spawn(self._launch, run, owner, started)
        started.get()

    def _launch(self, run: Run, owner: Owner, started: AsyncResult[None]) -> None:
        try:
            with run.folder.writing() as writer:
                run.fold_new_lines()
                if run.phase is not Phase.QUEUED:
                    raise CannotStart("This run was stopped before it began.")
                with owner.launching():
                    record, process = launcher.launch(
                        self._settings, self._options, self._trust, run.folder, run.record
                    )
                    run.launched(record)
                    owner.begin(process)
                started.set(None)
                _deliver(run, writer)
        except (CannotStart, DiskFull) as error:
            started.set_exception(error)
        except (InputClosed, OSError) as error:
            started.set_exception(CannotStart(f"Claude could not be started: {error}"))
        except Exception as error:  # `launch` must not wait for ever
            started.set_exception(error)

    def _queued_with_prompt(self) -> list[Run]:
        """The queued runs that have a prompt."""
        waiting = self.queue()
        for run in waiting:
            if not run.owner:
                run.fold_new_lines()
        return [run for run in waiting if run.state.waiting]

    def _free_slots(self) -> int:
        return self._settings.max_runs - sum(run.phase in PROCESS for run in self._runs())

    def _end_idle(self, wanted: int) -> None:
        """End as many idle runs as are wanted.

        First those without a prompt, then those without a viewer; the oldest first. A Claude whose
        background tasks still run is not idle.
        """
        stopping = sum(run.phase is Phase.STOPPING for run in self._runs())
        runs = [run for run in self._runs() if run.phase in PROCESS - {Phase.STOPPING}]
        unused = [run for run in runs if run.is_unused]
        idle = [run for run in runs if run.resting and not run.state.waiting]
        idle.sort(key=lambda run: (self._is_viewed(run.record.session_id), run.idle_since))
        wanted -= stopping
        for run in unused[: max(0, wanted)]:
            run.stop_unused(ENDED_FOR_ANOTHER)
        for run in [each for each in idle if not each.is_unused][: max(0, wanted - len(unused))]:
            with contextlib.suppress(RunNotLive):
                run.stop(Outcome.COMPLETED, ENDED_FOR_ANOTHER, by=SYSTEM)


def _deliver(run: Run, writer: InputWriter) -> None:
    """Ask for Claude's capabilities, and deliver the prompts that were kept for it."""
    # with a Claude that hangs or is gone the prompts stay unread, as in any run
    with contextlib.suppress(InputClosed, OSError):
        writer.send(run.codec.initialize_line())
        for line, _ in waiting_lines(run, run.state.waiting):
            writer.deliver(line)
