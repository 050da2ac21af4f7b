"""All runs: start one, find it, adopt those of an earlier server, end what has been idle.

The only place where runs are made. Knows nothing of how they are shown.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event as Flag

from opcode_htmx.engines.messages import ImageContent
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.concurrency.keyed_lock import KeyedLock
from opcode_htmx.lib.concurrency.rounds import Rounds
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.identity import SYSTEM, Identity
from opcode_htmx.runs.control import launcher
from opcode_htmx.runs.control.launcher import CannotStart, RunSettings
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.events.bus import EventBus
from opcode_htmx.runs.events.publisher import EventPublisher
from opcode_htmx.runs.model.lifecycle import PROCESS, Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.options.service import SessionOptionsService
from opcode_htmx.runs.policies import limit_monitor, warm_starts
from opcode_htmx.runs.policies.disk_guard import DiskGuard
from opcode_htmx.runs.policies.limit_monitor import LimitMonitor, check_queue
from opcode_htmx.runs.policies.scheduler import Scheduler
from opcode_htmx.runs.policies.viewer_presence import ViewerPresence
from opcode_htmx.runs.policies.warm_rules import READY_SECONDS, WarmRules
from opcode_htmx.runs.policies.warm_starts import WarmStarts
from opcode_htmx.runs.processes import claude_process
from opcode_htmx.runs.processes.orphans import Orphans
from opcode_htmx.runs.registry import RunNotFound, RunRegistry

__all__ = ["RunNotFound", "StillRunning", "Supervisor"]

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
"""How often to check for runs that have lost their owner, and for those that may start."""
QUIET_SECONDS = 30.0
"""The same while there are none: the folder of runs reports new ones, if the kernel watches it."""
END_GRACE_SECONDS = 3.0
"""How long after its process, or after the deadline of a stop, a run may take to be over."""
BEGINNING_SECONDS = 0.02
"""Between two checks whether another worker has sent a run its first prompt."""


class StillRunning(Exception):
    """The session has a run that is alive."""


class Supervisor:
    """The runs of this server."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._wake = Flag()
        self.events = EventBus(settings.journal())
        """To be started once the handlers have subscribed."""
        self._publisher = EventPublisher(self.events)
        self.registry = RunRegistry(
            settings,
            self._adopted,
            self._wake.set,
            self._publisher.follow,
            lambda run: self.warm_starts.ended(run),
        )
        state = settings.runs_dir.parent
        self.options = SessionOptionsService(
            state / "options",
            self.registry.newest_first,
            self.changes,
            settings.engine.codec,
            permission_mode=settings.permission_mode,
            allow_bypass=settings.allow_bypass,
            keep_running=settings.keep_running,
            offered=settings.models,
        )
        self.project_trust = settings.project_trust()
        self.budgets = settings.budgets()
        self.viewers = ViewerPresence(
            state / "viewing",
            self.registry.owned,
            self.options.keeps_running,
            lambda: self.options.version,
            settings.disconnect_grace,
        )
        self.disk_guard = DiskGuard(state, settings.min_free, self.registry.live)
        self.scheduler = Scheduler(
            settings,
            self.options,
            self.project_trust,
            self.registry.live,
            self.viewers.is_viewed,
            lambda: self.disk_guard.start_refusal,
        )
        self._session_locks = KeyedLock()
        """One prompt at a time in each session: one that hangs holds up no other session."""
        self._limit_monitor = LimitMonitor(
            self.registry.live,
            settings.limits,
            lambda: claude_process.memory(),
            self.disk_guard.check,
        )
        self._warm_rules = WarmRules(
            settings,
            self.options,
            self.project_trust,
            self.viewers,
            lambda: self.disk_guard.start_refusal,
        )
        self.warm_starts = WarmStarts(
            settings.warm_timeout > 0,
            self._warm_rules,
            self.registry,
            self._live_of,
            self._begin_unused,
        )
        self.orphans = Orphans(
            claude_process.MONITOR,
            settings.runs_dir,
            self.registry.live_ids,
        )
        """What ended runs have left behind."""
        self.rounds = Rounds(lambda: self.registry.has_live)
        """What is looked after while runs are live."""
        self.rounds.add("check on the runs", lambda: ROUND_SECONDS, self._wake.set)
        self.rounds.add(
            "check the limits", lambda: limit_monitor.CHECK_SECONDS, self._limit_monitor.check
        )
        self.rounds.add("end runs without a viewer", self.viewers.seconds, self.viewers.check)
        self.rounds.add(
            "end unused runs", lambda: warm_starts.CHECK_SECONDS, self.warm_starts.check
        )
        self._greenlets: list[gevent.Greenlet[[], None]] = []

    def start(self) -> None:
        """Take over the runs on disk, and look after all of them from now on."""
        self.adopt()
        if not self._greenlets:
            self.rounds.start()
            self._greenlets = [gevent.spawn(self._watch)]

    def add_variables(self, variables: Callable[[str], Mapping[str, str]]) -> None:
        """Start Claude with more variables: those that `variables` gives for the id of a run."""
        self._settings.variables.append(variables)

    # --- finding ----------------------------------------------------------------------------

    def get(self, run_id: str) -> Run:
        """Raises RunNotFound."""
        return self.registry.get(run_id)

    def of_session(self, session_id: str) -> list[Run]:
        """The runs of a session, oldest first, without one that has no prompt yet."""
        return _used(self.registry.of_session(session_id))

    def newest(self) -> list[Run]:
        """The newest run of each session, alive or not, without those that have no prompt yet."""
        return self.registry.newest(_used)

    def live(self) -> list[Run]:
        """The runs whose process is alive, and those that are queued, newest first.

        Those that have no prompt yet are left out: see `unused`.
        """
        return _used(self.registry.live())

    def unused(self) -> list[Run]:
        """The runs that were started warm, have a process and no prompt yet, but no ending ones."""
        return list(filter(_waits_unused, self.registry.live()))

    def unused_of(self, session_id: str) -> Run | None:
        """The one among them of a session."""
        return next(filter(_waits_unused, self.registry.of_session(session_id)), None)

    def changes(self, session_id: str) -> Broadcast:
        """Notified when a run of the session starts, changes or ends."""
        return self.registry.changes(session_id)

    def written(self, session_id: str) -> Broadcast:
        """Notified when a run of the session starts, has written something or has ended.

        It comes before the run's state has been folded, for followers that read by themselves.
        """
        return self.registry.written(session_id)

    def ended(self) -> list[Run]:
        """The runs that are over, newest first."""
        return [run for run in _used(self.registry.newest_first()) if run.record.end]

    # --- starting ---------------------------------------------------------------------------

    def prompt(
        self,
        session_id: str,
        project: Path,
        prompt_id: str,
        text: str,
        images: Sequence[ImageContent] = (),
        *,
        by: Identity,
    ) -> Run:
        """Send a prompt to a session: to its live process, or to a new one that resumes it.

        A prompt that was sent already under this id is not sent again. Raises CannotStart,
        FolderNotAllowed, DiskFull, QueueFull, TrustNeeded, BudgetReached, or RunNotLive when the
        process hangs.
        """
        self.viewers.seen(session_id)
        with self._session_locks.of(session_id):
            if self._has_sent(session_id, prompt_id):
                return self.registry.of_session(session_id)[-1]
            self.check_folder(project)
            self.budgets.check(session_id, project)
            working = self._live_of(session_id)
            if working and working.is_unused and not self._warm_rules.serves(working, project):
                working.stop_unused("Ended, because the prompt needs another process.")
            if working and working.phase is not Phase.STOPPING:
                check_queue(working, self._settings.limits)
            if working and self._reaches(working, prompt_id, text, images, by):
                return working
            if self.options.uses_project_settings(session_id):
                self.project_trust.check(project, session_id)
            run = self._start(session_id, project, prompt_id, by)
            if self._has_sent(session_id, prompt_id):
                return run
            try:
                run.prompt(prompt_id, text, images, by=by)
            except RunNotLive as error:
                run.join(END_GRACE_SECONDS)
                causes = [run.record.end.cause if run.record.end else str(error)]
                raise CannotStart(" ".join([*causes, *run.folder.error_lines(1)])) from error
            if run.phase is Phase.QUEUED:
                self.scheduler.admit()
            return run

    def trust(
        self, session_id: str, project: Path, digest: str | None = None, *, by: Identity
    ) -> None:
        """Trust a project as ProjectTrust.accept does, and use its settings in the session."""
        self.project_trust.accept(project, digest)
        self.options.choose(session_id, project_settings=None)
        log_act(by, "trust.accept", session=session_id, project=str(project))

    def work_without_project_settings(self, session_id: str, *, by: Identity) -> None:
        """Start the session's processes without what the files of its project set up."""
        self.options.choose(session_id, project_settings=False)
        log_act(by, "trust.decline", session=session_id)

    def allow(
        self,
        run: Run,
        request_id: str,
        changes: Mapping[str, Any] | None = None,
        permissions: Sequence[Json] = (),
        *,
        by: Identity,
    ) -> None:
        """Allow what a run asks, as Run.allow does.

        Permissions that Claude writes into the project count as trusted from then on.
        """
        run.allow(request_id, changes, permissions, by=by)
        self.project_trust.allow(Path(run.record.project_path), permissions)

    def check_folder(self, project: Path) -> None:
        """Raises FolderNotAllowed where Claude may not go on with a session of this folder."""
        launcher.check_folder(self._settings, project)

    def _live_of(self, session_id: str) -> Run | None:
        """The live run of a session, with or without a prompt."""
        runs = self.registry.of_session(session_id)
        return runs[-1] if runs and runs[-1].live else self._in_session(session_id)

    def _in_session(self, session_id: str) -> Run | None:
        """The run that was started for another session and has come into this one by `/clear`."""
        return next((run for run in self.live() if run.state.session_id == session_id), None)

    def has_sent(self, session_id: str, prompt_id: str) -> bool:
        """Whether a prompt under this id went to Claude in this session.

        Waits while a prompt is being sent, here or by another worker: until then it is open.
        """
        with self._session_locks.of(session_id):
            deadline = time.monotonic() + END_GRACE_SECONDS
            while any(run.is_beginning() for run in self.of_session(session_id)) and (
                time.monotonic() < deadline
            ):
                gevent.sleep(BEGINNING_SECONDS)
            return self._has_sent(session_id, prompt_id)

    def _has_sent(self, session_id: str, prompt_id: str) -> bool:
        return any(run.has_sent(prompt_id) for run in self.registry.of_session(session_id))

    def attached(self, session_id: str) -> Path:
        """The folder, which Claude may read, for the files that a person gives it."""
        return self._settings.attached(session_id)

    def _reaches(
        self, run: Run, prompt_id: str, text: str, images: Sequence[ImageContent], by: Identity
    ) -> bool:
        """Send a prompt to a live run; False when it ends, or has just ended, instead."""
        if run.phase is Phase.STOPPING:
            if not run.join(self._settings.stop_deadline + END_GRACE_SECONDS):
                raise CannotStart("Claude is still being stopped. Try again in a moment.")
            return False
        try:
            run.prompt(prompt_id, text, images, by=by)
        except RunNotLive:
            if not run.join(END_GRACE_SECONDS):
                raise
            return False
        return True

    def _start(self, session_id: str, project: Path, prompt_id: str, by: Identity) -> Run:
        """A new run, or the one that another worker has just started.

        That one may even be over by now; then it counts if the prompt went to it.

        Raises CannotStart, DiskFull.
        """
        if refusal := self.disk_guard.start_refusal:
            raise DiskFull(refusal)
        try:
            with self.scheduler.exclusively():
                runs = self.registry.of_session(session_id)
                for each in runs:
                    each.refresh_record()
                if runs and runs[-1].live and runs[-1].phase is not Phase.STOPPING:
                    return runs[-1]
                if self._has_sent(session_id, prompt_id):
                    return runs[-1]
                run = self.registry.begin(
                    *launcher.prepare(self._settings, session_id, project, by)
                )
                if self.scheduler.has_free_slot():
                    self._launch(run)
                log_act(by, "run.start", session=session_id, run=run.id, project=str(project))
                return run
        except OSError as error:
            raise launcher.cannot(error) from error

    def _begin_unused(self, session_id: str, project: Path, by: Identity) -> Run | None:
        """A new run that has no prompt yet; None if the session has a run, or there is no place.

        Raises CannotStart, DiskFull, OSError.
        """
        with self._session_locks.of(session_id), self.scheduler.exclusively():
            if self._live_of(session_id) or not self.scheduler.has_room_for_unused():
                return None
            has_history = self._settings.engine.history.size(session_id) is not None
            if not has_history and not self.of_session(session_id):
                return None  # it was deleted meanwhile
            run = self.registry.begin(
                *launcher.prepare(self._settings, session_id, project, by, warm=True)
            )
            self._launch(run)
            log_act(
                by, "run.start", session=session_id, run=run.id, project=str(project), warm="yes"
            )
            return run

    @contextlib.contextmanager
    def at_rest(self, session_id: str, project: Path, *, by: Identity) -> Iterator[Run]:
        """A run of the session whose Claude has nothing to do, for an order that needs no turn.

        It is the live one, or one that is started for this time and ended afterwards. Raises
        RunNotLive where Claude is at work, CannotStart, FolderNotAllowed, TrustNeeded, DiskFull.
        """
        started = None
        self.warm_starts.held.add(session_id)
        try:
            run = self._live_of(session_id)
            if run is None:
                run = started = self._begun_at_rest(session_id, project, by)
            deadline = time.monotonic() + READY_SECONDS
            while run.phase is Phase.STARTING and time.monotonic() < deadline:
                run.changed.wait(run.changed.version, 1.0)
            if run.phase is not Phase.IDLE:
                raise RunNotLive("Claude is at work. Wait until it is done, or stop it first.")
            yield run
        finally:
            self.warm_starts.held.discard(session_id)
            if started is not None:
                started.stop_unused("Ended, because what it was started for is done.")
                started.join(self._settings.stop_deadline + END_GRACE_SECONDS)

    def _begun_at_rest(self, session_id: str, project: Path, by: Identity) -> Run:
        self.check_folder(project)
        pids = frozenset(run.record.pid for run in self.of_session(session_id) if run.record.pid)
        if self._warm_rules.is_elsewhere(session_id, pids):
            raise RunNotLive("Another program has this session open. Close it there first.")
        if self.options.uses_project_settings(session_id):
            self.project_trust.check(project, session_id)
        try:
            run = self._begin_unused(session_id, project, by)
        except OSError as error:
            raise launcher.cannot(error) from error
        run = run or self._live_of(session_id)
        if run is None:
            raise CannotStart("There is no room for another Claude now. Try again in a moment.")
        return run

    def _launch(self, run: Run) -> None:
        try:
            self.scheduler.launch(run)
        except (CannotStart, DiskFull):
            # else it would count as queued
            shutil.rmtree(run.folder.path, ignore_errors=True)
            self.registry.drop(run)
            raise

    # --- runs of other workers and earlier servers ------------------------------------------

    def adopt(self) -> None:
        """Take over the runs on disk: live ones, and the records of the others."""
        runs_dir = self._settings.runs_dir
        try:
            atomic_files.make_folder(runs_dir)
            with self.scheduler.exclusively():
                for path in runs_dir.glob(f"{launcher.UNPUBLISHED}*"):
                    shutil.rmtree(path)  # of a server that was killed in between
        except OSError as error:
            log.warning("cannot use %s: %s", runs_dir, error)
            return
        self.registry.read()
        self._wake.set()

    def _adopted(self, run: Run) -> None:
        if run.record.config_dir not in ("", str(self._settings.engine.config_dir)):
            run.stop(Outcome.COMPLETED, "Ended, because it belonged to another login.", by=SYSTEM)
        else:
            gevent.spawn(self.options.end_bypass, run)

    def _watch(self) -> None:
        """Do what no request triggers."""
        while True:
            self._wake.wait(QUIET_SECONDS if self.registry.is_watched else ROUND_SECONDS)
            self._wake.clear()
            self.rounds.wake()
            try:
                self.registry.look_after()
                self.scheduler.admit()
                if not self.registry.has_live:
                    self.disk_guard.check()  # it keeps a reserve, for the next ones
            except Exception:  # the next round tries again
                log.exception("could not check on the runs")

    # --- forgetting -------------------------------------------------------------------------

    def check_over(self, session_id: str) -> None:
        """Raises StillRunning where a session has a live run. One without a prompt is ended."""
        live = self._live_of(session_id)
        if live and live.is_unused:
            live.stop_unused("Ended, because the session is deleted.")
            live.join(self._settings.stop_deadline + END_GRACE_SECONDS)
        if live := self._live_of(session_id):
            if live.resting:
                raise StillRunning("Claude waits in this session for a prompt. End Claude first.")
            raise StillRunning("Claude is running in this session. Stop it first.")

    def forget(self, session_id: str) -> None:
        """Forget a session; the folders of its runs are the caller's now.

        Raises StillRunning.
        """
        self.check_over(session_id)
        for run in self.registry.of_session(session_id):
            self.registry.drop(run)

    def forget_run(self, run: Run) -> None:
        """Forget a run that is over; its folder is the caller's now."""
        self.registry.drop(run)

    # --- ending -----------------------------------------------------------------------------

    def close(self) -> None:
        """Close the files. The runs go on without this server."""
        gevent.killall(self._greenlets)
        self.rounds.close()
        self.warm_starts.close()
        self.viewers.close()
        self._publisher.close()
        self.registry.close()
        self.events.close()


def _used(runs: list[Run]) -> list[Run]:
    """The runs without those that have no prompt yet."""
    for run in runs:
        if run.started_warm:
            run.fold_first_prompt()
    return [run for run in runs if not (run.started_warm and run.is_unused)]


def _waits_unused(run: Run) -> bool:
    """Whether a run has a process and no prompt, and is not ending."""
    return run.is_unused and run.phase in PROCESS - {Phase.STOPPING}
