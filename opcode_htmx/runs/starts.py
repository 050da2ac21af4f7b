"""Runs of a session that begin: by a prompt, before one, or for an order that needs no turn.

The only place where runs are made. Each comes after what a person, the machine and the settings
allow.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import gevent

from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.keyed_lock import KeyedLock
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.control import launcher
from opcode_htmx.runs.control.launcher import CannotStart, RunSettings
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.options.service import SessionOptionsService
from opcode_htmx.runs.policies.disk_guard import DiskGuard
from opcode_htmx.runs.policies.limit_monitor import check_queue
from opcode_htmx.runs.policies.project_trust import ProjectTrust
from opcode_htmx.runs.policies.scheduler import Scheduler
from opcode_htmx.runs.policies.viewer_presence import ViewerPresence
from opcode_htmx.runs.policies.warm_rules import READY_SECONDS, WarmRules
from opcode_htmx.runs.registry import RunRegistry

END_GRACE_SECONDS = 3.0
"""How long after its process, or after the deadline of a stop, a run may take to be over."""
BEGINNING_SECONDS = 0.02
"""Between two checks whether another worker has sent a run its first prompt."""


class RunStarts:
    """Begins the runs of this worker, one at a time in each session."""

    def __init__(
        self,
        settings: RunSettings,
        registry: RunRegistry,
        options: SessionOptionsService,
        project_trust: ProjectTrust,
        budgets: BudgetBook,
        viewers: ViewerPresence,
        disk_guard: DiskGuard,
        scheduler: Scheduler,
        warm_rules: WarmRules,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._options = options
        self._project_trust = project_trust
        self._budgets = budgets
        self._viewers = viewers
        self._disk_guard = disk_guard
        self._scheduler = scheduler
        self._warm_rules = warm_rules
        self._session_locks = KeyedLock()
        """One prompt at a time in each session: one that hangs holds up no other session."""
        self.held: set[str] = set()
        """The sessions whose unused run does something for a person just now, and stays."""

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
        self._viewers.seen(session_id)
        with self._session_locks.of(session_id):
            if sent := self._run_with(session_id, prompt_id):
                return (self._registry.of_session(session_id) or [sent])[-1]
            self.check_folder(project)
            self._budgets.check(session_id, project)
            working = self.live_of(session_id)
            if working and working.is_unused and not self._warm_rules.serves(working, project):
                working.stop_unused("Ended, because the prompt needs another process.")
            if working and working.phase is not Phase.STOPPING:
                check_queue(working, self._settings.limits)
            if working and self._reaches(working, prompt_id, text, images, by):
                return working
            if self._options.uses_project_settings(session_id):
                self._project_trust.check(project, session_id)
            run = self._start(session_id, project, prompt_id, by)
            if self._run_with(session_id, prompt_id):
                return run
            try:
                run.prompt(prompt_id, text, images, by=by)
            except RunNotLive as error:
                run.join(END_GRACE_SECONDS)
                causes = [run.record.end.cause if run.record.end else str(error)]
                raise CannotStart(" ".join([*causes, *run.folder.error_lines(1)])) from error
            if run.phase is Phase.QUEUED:
                self._scheduler.admit()
            return run

    def check_folder(self, project: Path) -> None:
        """Raises FolderNotAllowed where Claude may not go on with a session of this folder."""
        launcher.check_folder(self._settings, project)

    def live_of(self, session_id: str) -> Run | None:
        """The live run of a session, with or without a prompt."""
        runs = self._registry.of_session(session_id)
        return runs[-1] if runs and runs[-1].live else self._in_session(session_id)

    def _in_session(self, session_id: str) -> Run | None:
        """The run that was started for another session and has come into this one by `/clear`."""
        return next(
            (run for run in used(self._registry.live()) if run.state.session_id == session_id), None
        )

    def has_sent(self, session_id: str, prompt_id: str) -> bool:
        """Whether a prompt under this id went to Claude in this session; waits as `run_with`."""
        return self.run_with(session_id, prompt_id) is not None

    def run_with(self, session_id: str, prompt_id: str) -> Run | None:
        """The run to which a prompt under this id went in this session; None if it did not.

        Waits while a prompt is being sent, here or by another worker: until then it is open.
        """
        with self._session_locks.of(session_id):
            deadline = time.monotonic() + END_GRACE_SECONDS
            while any(
                run.is_beginning() for run in used(self._registry.of_session(session_id))
            ) and (time.monotonic() < deadline):
                gevent.sleep(BEGINNING_SECONDS)
            return self._run_with(session_id, prompt_id)

    def _used_of(self, session_id: str) -> list[Run]:
        return used(self._registry.of_session(session_id))

    def _run_with(self, session_id: str, prompt_id: str) -> Run | None:
        runs = *self._registry.of_session(session_id), *self._registry.came_into(session_id)
        return next((run for run in runs if run.has_sent(prompt_id)), None)

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

        The other one may have ended by now; it counts if the prompt was sent to it.

        Raises CannotStart, DiskFull.
        """
        if refusal := self._disk_guard.start_refusal:
            raise DiskFull(refusal)
        try:
            with self._scheduler.exclusively():
                runs = self._registry.of_session(session_id)
                for each in runs:
                    each.refresh_record()
                if runs and runs[-1].live and runs[-1].phase is not Phase.STOPPING:
                    return runs[-1]
                if sent := self._run_with(session_id, prompt_id):
                    return (runs or [sent])[-1]
                run = self._registry.begin(
                    *launcher.prepare(self._settings, session_id, project, by)
                )
                if self._scheduler.has_free_slot():
                    self._launch(run)
                log_act(by, "run.start", session=session_id, run=run.id, project=str(project))
                return run
        except OSError as error:
            raise launcher.cannot(error) from error

    def begin_unused(self, session_id: str, project: Path, by: Identity) -> Run | None:
        """A new run that has no prompt yet; None if the session has a run, or there is no place.

        Raises CannotStart, DiskFull, OSError.
        """
        with self._session_locks.of(session_id), self._scheduler.exclusively():
            if self.live_of(session_id) or not self._scheduler.has_room_for_unused():
                return None
            has_history = self._settings.engine.history.size(session_id) is not None
            if not has_history and not self._used_of(session_id):
                return None  # it was deleted meanwhile
            run = self._registry.begin(
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
        self.held.add(session_id)
        try:
            run = self.live_of(session_id)
            if run is None:
                run = started = self._begun_at_rest(session_id, project, by)
            deadline = time.monotonic() + READY_SECONDS
            while run.phase is Phase.STARTING and time.monotonic() < deadline:
                run.changed.wait(run.changed.version, 1.0)
            if run.phase is not Phase.IDLE:
                raise RunNotLive("Claude is at work. Wait until it is done, or stop it first.")
            yield run
        finally:
            self.held.discard(session_id)
            if started is not None:
                started.stop_unused("Ended, because what it was started for is done.")
                started.join(self._settings.stop_deadline + END_GRACE_SECONDS)

    def _begun_at_rest(self, session_id: str, project: Path, by: Identity) -> Run:
        self.check_folder(project)
        pids = frozenset(run.record.pid for run in self._used_of(session_id) if run.record.pid)
        if self._warm_rules.is_elsewhere(session_id, pids):
            raise RunNotLive("Another program has this session open. Close it there first.")
        if self._options.uses_project_settings(session_id):
            self._project_trust.check(project, session_id)
        try:
            run = self.begin_unused(session_id, project, by)
        except OSError as error:
            raise launcher.cannot(error) from error
        run = run or self.live_of(session_id)
        if run is None:
            raise CannotStart("There is no room for another Claude now. Try again in a moment.")
        return run

    def _launch(self, run: Run) -> None:
        try:
            self._scheduler.launch(run)
        except (CannotStart, DiskFull):
            # else it would count as queued
            shutil.rmtree(run.folder.path, ignore_errors=True)
            self._registry.drop(run)
            raise


def used(runs: list[Run]) -> list[Run]:
    """The runs without those that have no prompt yet."""
    for run in runs:
        if run.started_warm:
            run.fold_first_prompt()
    return [run for run in runs if not (run.started_warm and run.is_unused)]
