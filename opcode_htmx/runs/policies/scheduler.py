"""How many Claudes run at once: who starts, who waits, and who makes room.

A run that has to wait is a folder like all others, with its prompts in it and no process, so the
queue outlives the server, and all workers see the same one: the oldest run is the first.
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

MADE_ROOM = "Ended, because another session needed the room; a prompt resumes it."


class Scheduler:
    """Starts the processes of the runs of all workers, as many at once as may be."""

    def __init__(
        self,
        settings: RunSettings,
        choosing: SessionOptionsService,
        trust: ProjectTrust,
        runs: Callable[[], Iterable[Run]],
        is_viewed: Callable[[str], bool],
        refusal: Callable[[], str] = str,
    ) -> None:
        """`runs` are all runs on this machine, as fresh as can be.

        `is_viewed` says of a session id whether somebody looks at it; `refusal` why none may begin
        just now, if so.
        """
        self._settings = settings
        self._choosing = choosing
        self._trust = trust
        self._runs = runs
        self._is_viewed = is_viewed
        self._refusal = refusal
        self._lock: Path = settings.runs_dir.parent / "starting.lock"
        self._turn = BoundedSemaphore(1)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While this lasts, no run begins elsewhere, in no worker. Raises OSError."""
        # in this worker those who come first go first; a file knows no order
        with self._turn, file_locks.held(self._lock):
            yield

    def queue(self) -> list[Run]:
        """The runs that wait, the first one first."""
        waiting = (run for run in self._runs() if run.phase is Phase.QUEUED)
        return sorted(waiting, key=lambda run: (run.record.created_at, run.id))

    def has_room(self) -> bool:
        """Whether one more may run, and nobody waits who came before."""
        return not self._settings.max_runs or self._room() > len(self._expectant())

    def admit(self) -> None:
        """Start what waits, as far as there is room, and make room where Claude is idle."""
        queue = self.queue()
        for ahead, run in enumerate(queue):
            if run.ahead != ahead:
                run.ahead = ahead
                run.changed.notify()
        if not any(run.owner and run.state.waiting for run in queue) or self._refusal():
            return
        with self.alone():
            waiting = self._expectant()
            while waiting and (not self._settings.max_runs or self._room() > 0):
                run, *waiting = waiting
                if run.owner is None:
                    return  # it is first, and its own worker starts it
                try:
                    self.launch(run)
                except DiskFull as error:
                    log.warning("run %s is started later: %s", run.id, error)
                    return
                except CannotStart as error:
                    log.warning("run %s could not be started: %s", run.id, error)
                    if isinstance(run.owner, Owner):
                        run.owner.finish(None, (Outcome.FAILED, str(error)))
            if waiting:
                self._make_room(len(waiting))

    def launch(self, run: Run) -> None:
        """Start the process of a run of this worker, and give it what was kept for it.

        Raises CannotStart, DiskFull.
        """
        owner = run.owner
        if not isinstance(owner, Owner):
            raise CannotStart("Another worker starts this run.")
        started: AsyncResult[None] = AsyncResult()
        # by itself, since a long prompt takes until Claude reads, and others want to start
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
                        self._settings, self._choosing, self._trust, run.folder, run.record
                    )
                    run.launched(record)
                    owner.begin(process)
                started.set(None)
                _deliver(run, writer)
        except (CannotStart, DiskFull) as error:
            started.set_exception(error)
        except (InputClosed, OSError) as error:
            started.set_exception(CannotStart(f"Claude could not be started: {error}"))
        except Exception as error:  # whoever waits must not wait for ever
            started.set_exception(error)

    def _expectant(self) -> list[Run]:
        """Those in the queue for whom there is something to do."""
        waiting = self.queue()
        for run in waiting:
            if not run.owner:
                run.fold_new_lines()
        return [run for run in waiting if run.state.waiting]

    def _room(self) -> int:
        return self._settings.max_runs - sum(run.phase in PROCESS for run in self._runs())

    def _make_room(self, wanted: int) -> None:
        """End as many idle runs as are waited for: first what nobody looks at, the oldest first.

        A Claude whose background tasks still run is not idle.
        """
        going = sum(run.phase is Phase.STOPPING for run in self._runs())
        idle = [run for run in self._runs() if run.resting and not run.state.waiting]
        idle.sort(key=lambda run: (self._is_viewed(run.record.session_id), run.idle_since))
        for run in idle[: max(0, wanted - going)]:
            with contextlib.suppress(RunNotLive):
                run.stop(Outcome.COMPLETED, MADE_ROOM, by=SYSTEM)


def _deliver(run: Run, writer: InputWriter) -> None:
    """Ask what Claude offers, and hand over the prompts that were kept for it."""
    # A Claude that hangs, or is gone, has its prompts left over, as any run has
    with contextlib.suppress(InputClosed, OSError):
        writer.send(run.codec.initialize_line())
        for line, _ in waiting_lines(run, run.state.waiting):
            writer.deliver(line)
