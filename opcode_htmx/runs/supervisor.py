"""All runs: find one, adopt those of an earlier server, look after them, forget them.

Makes the parts that start, limit and end runs. Knows nothing of how runs are shown.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event as Flag

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.concurrency.rounds import Rounds
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.identity import SYSTEM, Identity
from opcode_htmx.runs.control import launcher
from opcode_htmx.runs.control.launcher import RunSettings
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.events.bus import EventBus
from opcode_htmx.runs.events.publisher import EventPublisher
from opcode_htmx.runs.model.lifecycle import PROCESS, Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.options.service import SessionOptionsService
from opcode_htmx.runs.policies import limit_monitor, warm_starts
from opcode_htmx.runs.policies.disk_guard import DiskGuard
from opcode_htmx.runs.policies.limit_monitor import LimitMonitor
from opcode_htmx.runs.policies.scheduler import Scheduler
from opcode_htmx.runs.policies.viewer_presence import ViewerPresence
from opcode_htmx.runs.policies.warm_rules import WarmRules
from opcode_htmx.runs.policies.warm_starts import WarmStarts
from opcode_htmx.runs.processes import claude_process
from opcode_htmx.runs.processes.orphans import Orphans
from opcode_htmx.runs.registry import RunNotFound, RunRegistry
from opcode_htmx.runs.starts import END_GRACE_SECONDS, RunStarts, used

__all__ = ["RunNotFound", "StillRunning", "Supervisor"]

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
"""How often to check for runs that have lost their owner, and for those that may start."""
QUIET_SECONDS = 30.0
"""The same while there are none: the folder of runs reports new ones, if the kernel watches it."""


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
        self._limit_monitor = LimitMonitor(
            self.registry.live,
            settings.limits,
            lambda: claude_process.memory(),
            self.disk_guard.check,
        )
        warm_rules = WarmRules(
            settings,
            self.options,
            self.project_trust,
            self.viewers,
            lambda: self.disk_guard.start_refusal,
        )
        self.starts = RunStarts(
            settings,
            self.registry,
            self.options,
            self.project_trust,
            self.budgets,
            self.viewers,
            self.disk_guard,
            self.scheduler,
            warm_rules,
        )
        self.warm_starts = WarmStarts(
            settings.warm_timeout > 0,
            warm_rules,
            self.registry,
            self.starts.live_of,
            self.starts.begin_unused,
            self.starts.held,
        )
        self.orphans = Orphans(
            claude_process.MONITOR,
            settings.runs_dir,
            self.registry.live_ids,
        )
        """What ended runs have left behind."""
        self.rounds = self._made_rounds()
        """What is looked after while runs are live."""
        self._greenlets: list[gevent.Greenlet[[], None]] = []

    def _made_rounds(self) -> Rounds:
        rounds = Rounds(lambda: self.registry.has_live)
        rounds.add("check on the runs", lambda: ROUND_SECONDS, self._wake.set)
        rounds.add(
            "check the limits", lambda: limit_monitor.CHECK_SECONDS, self._limit_monitor.check
        )
        rounds.add("end runs without a viewer", self.viewers.seconds, self.viewers.check)
        rounds.add("end unused runs", lambda: warm_starts.CHECK_SECONDS, self.warm_starts.check)
        return rounds

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
        return used(self.registry.of_session(session_id))

    def newest(self) -> list[Run]:
        """The newest run of each session, alive or not, without those that have no prompt yet."""
        return self.registry.newest(used)

    def live(self) -> list[Run]:
        """The runs whose process is alive, and those that are queued, newest first.

        Those that have no prompt yet are left out: see `unused`.
        """
        return used(self.registry.live())

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
        return [run for run in used(self.registry.newest_first()) if run.record.end]

    # --- trust ------------------------------------------------------------------------------

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

    def attached(self, session_id: str) -> Path:
        """The folder, which Claude may read, for the files that a person gives it."""
        return self._settings.attached(session_id)

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
        live = self.starts.live_of(session_id)
        if live and live.is_unused:
            live.stop_unused("Ended, because the session is deleted.")
            live.join(self._settings.stop_deadline + END_GRACE_SECONDS)
        if live := self.starts.live_of(session_id):
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


def _waits_unused(run: Run) -> bool:
    """Whether a run has a process and no prompt, and is not ending."""
    return run.is_unused and run.phase in PROCESS - {Phase.STOPPING}
