"""All runs of this machine: start one, find it, adopt what another server or worker has left.

The only place where runs are made. Knows nothing of how they are shown.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import gevent
from gevent.event import Event as Flag
from gevent.lock import BoundedSemaphore

from ..claude import history
from ..claude.messages import ImageContent
from . import process, starting
from .admission import Admission
from .choosing import Choosing
from .folder import RunFolder
from .leaving import Leaving
from .notify import Broadcast
from .owner import Owner
from .phases import Phase
from .process import ProcessIdentity
from .record import RUN_ID, Outcome, RunRecord
from .run import Run, RunNotLive
from .starting import CannotStart, RunSettings
from .watch import FolderWatcher

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
"""How often is looked for runs that have lost their owner, that are idle, that may start."""
CLOCK_TICK_NS = 20_000_000
"""What changes within this time of a change may leave a folder's time as it is."""
END_GRACE_SECONDS = 3.0
"""How long after its process, or after the deadline of a stop, a run may take to be over."""


class RunNotFound(Exception):
    """No run has this id."""


class StillRunning(Exception):
    """The session has a run that is alive."""


class Supervisor:
    """The runs of this server."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self.choosing = Choosing(
            settings.runs_dir.parent / "options",
            self._newest_first,
            self.changes,
            permission_mode=settings.permission_mode,
            allow_bypass=settings.allow_bypass,
            keep_running=settings.keep_running,
            offered=settings.models,
        )
        self.leaving = Leaving(
            settings.runs_dir.parent / "viewing",
            self.owned,
            self.choosing.keeps_running,
            settings.disconnect_grace,
        )
        self.admission = Admission(
            settings, self.choosing, self._newest_first, self.leaving.is_viewed
        )
        self._runs: dict[str, Run] = {}
        self._by_session: dict[str, list[Run]] = {}
        self._watcher = FolderWatcher()
        self._prompting: dict[str, BoundedSemaphore] = {}
        self._listed = 0
        """The time of the folder of runs when it was listed."""
        self._unreadable: set[str] = set()
        self._news = Flag()
        self._greenlets = [gevent.spawn(self._end_idle_runs), gevent.spawn(self._go_round)]
        self._changes: dict[str, Broadcast] = {}
        self._written: dict[str, Broadcast] = {}

    @property
    def binary(self) -> Path:
        """The CLI that new runs are started with."""
        return self._settings.binary

    # --- finding ----------------------------------------------------------------------------

    def get(self, run_id: str) -> Run:
        self._list()
        try:
            return self._runs[run_id]
        except KeyError:
            raise RunNotFound("There is no such run; it may have been cleared away.") from None

    def of_session(self, session_id: str) -> list[Run]:
        """The runs of a session, oldest first."""
        self._list()
        return list(self._by_session.get(session_id, ()))

    def newest(self) -> list[Run]:
        """The newest run of each session, alive or not."""
        self._list()
        return [runs[-1] for runs in self._by_session.values() if runs]

    def changes(self, session_id: str) -> Broadcast:
        """What is notified when a run of the session begins, says something or ends."""
        return self._changes.setdefault(session_id, Broadcast())

    def written(self, session_id: str) -> Broadcast:
        """What is notified when a run of the session begins, has written or has ended.

        It comes before anybody has read what was written, for those who read it themselves.
        """
        return self._written.setdefault(session_id, Broadcast())

    def live(self) -> list[Run]:
        """The runs whose process is alive, and those that wait for one, newest first."""
        return [run for run in self._newest_first() if run.live]

    def owned(self) -> list[Run]:
        """The runs among them that are this worker's to look after."""
        return [run for run in self._runs.values() if run.live and run.owner]

    def _newest_first(self) -> list[Run]:
        self._list()
        return sorted(self._runs.values(), key=lambda run: run.record.created_at, reverse=True)

    # --- starting ---------------------------------------------------------------------------

    def prompt(
        self,
        session_id: str,
        project: Path,
        prompt_id: str,
        text: str,
        images: Sequence[ImageContent] = (),
    ) -> Run:
        """Send a prompt to a session: to its live process, or to a new one that resumes it.

        A prompt that was sent already under this id is not sent again. Raises CannotStart, or
        RunNotLive when the process hangs.
        """
        self.leaving.seen(session_id)
        with self._one_at_a_time(session_id):
            runs = self.of_session(session_id)
            if self.has_sent(session_id, prompt_id):
                return runs[-1]
            working = runs[-1] if runs and runs[-1].live else self._in_session(session_id)
            if working and self._reaches(working, prompt_id, text, images):
                return working
            run = self._start(session_id, project)
            try:
                run.prompt(prompt_id, text, images)
            except RunNotLive as error:
                run.join(END_GRACE_SECONDS)
                why = [run.record.end.cause if run.record.end else str(error)]
                raise CannotStart(" ".join([*why, *run.folder.error_lines(1)])) from error
            if run.phase is Phase.QUEUED:
                self.admission.admit()
            return run

    @contextlib.contextmanager
    def _one_at_a_time(self, session_id: str) -> Iterator[None]:
        """A prompt at a time in a session, so that one that hangs holds up no other session."""
        turn = self._prompting.setdefault(session_id, BoundedSemaphore(1))
        try:
            with turn:
                yield
        finally:
            if not turn.locked() and not turn.linkcount():
                self._prompting.pop(session_id, None)

    def _in_session(self, session_id: str) -> Run | None:
        """The run that was started for another session and has come into this one by `/clear`."""
        return next((run for run in self.live() if run.state.session_id == session_id), None)

    def has_sent(self, session_id: str, prompt_id: str) -> bool:
        """Whether a prompt under this id went to Claude in this session."""
        return any(run.has_sent(prompt_id) for run in self.of_session(session_id))

    def attached(self, session_id: str) -> Path:
        """The folder, which Claude may read, for the files that a person gives it."""
        return self._settings.attached(session_id)

    def _reaches(self, run: Run, prompt_id: str, text: str, images: Sequence[ImageContent]) -> bool:
        """Send a prompt to a run that lives; False when it ends, or has just ended, instead."""
        if run.phase is Phase.STOPPING:
            if not run.join(self._settings.stop_deadline + END_GRACE_SECONDS):
                raise CannotStart("Claude is still being stopped. Try again in a moment.")
            return False
        try:
            run.prompt(prompt_id, text, images)
        except RunNotLive:
            if not run.join(END_GRACE_SECONDS):
                raise
            return False
        return True

    def _start(self, session_id: str, project: Path) -> Run:
        """A new run, or the one that another worker has just begun. Raises CannotStart."""
        with self.admission.alone():
            runs = self.of_session(session_id)
            if runs and runs[-1].live and runs[-1].phase is not Phase.STOPPING:
                return runs[-1]
            unpublished, record = starting.prepare(self._settings, session_id, project)
            lock = unpublished.own()
            if lock is None:
                raise CannotStart("Claude could not be started: its folder is locked.")
            run = self._add(unpublished.publish(record.id), record)
            self._own(run, lock)
            self._follow(run)
            if self.admission.has_room():
                try:
                    self.admission.launch(run)
                except CannotStart:
                    # else it would be taken for one that waits
                    self._drop(run)
                    shutil.rmtree(run.folder.path, ignore_errors=True)
                    raise
            return run

    # --- what other workers, and earlier servers, have begun --------------------------------

    def adopt(self) -> None:
        """Take over the runs that are on disk: those that live, and the records of the others."""
        runs_dir = self._settings.runs_dir
        runs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.admission.alone():
            for path in runs_dir.glob(f"{starting.UNPUBLISHED}*"):
                shutil.rmtree(path, ignore_errors=True)  # of a server that was killed meanwhile
        self._unreadable.clear()
        self._listed = 0
        self._list()
        self._watcher.watch(runs_dir, self._news.set)
        self._news.set()

    def _list(self) -> None:
        """Know the runs whose folders are there now; looks only where something has changed."""
        try:
            changed = self._settings.runs_dir.stat().st_mtime_ns
            if changed == self._listed:
                return
            self._listed = changed if time.time_ns() - changed > CLOCK_TICK_NS else 0
            names = {path.name for path in self._settings.runs_dir.iterdir()}
        except FileNotFoundError:
            return
        for run in [run for run_id, run in self._runs.items() if run_id not in names]:
            if not run.owner:  # ours goes on without its folder as long as it lives
                self._drop(run)
        new = [name for name in names if RUN_ID.fullmatch(name) and name not in self._runs]
        for name in new:
            if name not in self._unreadable:
                self._adopt(RunFolder(self._settings.runs_dir / name))
        if new:
            for runs in self._by_session.values():
                runs.sort(key=lambda run: run.record.created_at)

    def _adopt(self, folder: RunFolder) -> None:
        try:
            run = self._add(folder, folder.load())
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("run folder %s cannot be read and is left alone: %s", folder.path, error)
            self._unreadable.add(folder.path.name)
            return
        if run.live:
            run.catch_up()
            run.look()
            self._take_over(run)
            if run.live:
                self._follow(run)

    def _take_over(self, run: Run) -> None:
        """Own a run that nobody owns."""
        try:
            lock = run.folder.own()
        except OSError as error:
            log.warning("run %s cannot be owned just now: %s", run.id, error)
            return
        if lock is None:
            return
        run.look()  # it may have ended before its owner did
        if not run.live:
            os.close(lock)
            return
        owner = self._own(run, lock)
        record = run.record
        if record.pid is None or record.process_started_at is None:
            process.sweep(run.id)  # a server may have been killed between the start and its record
            if run.stopping:
                owner.end()
            elif not run.state.waiting:
                owner.finish(None, (Outcome.INTERRUPTED, "Ended before Claude was started."))
            return
        found = process.adopt(ProcessIdentity(record.pid, record.process_started_at), run.id)
        if found is None:
            process.sweep(run.id)
            owner.finish(None)
            return
        log.info("run %s goes on as process %s", run.id, found.identity.pid)
        owner.begin(found)
        if record.config_dir not in ("", str(self._settings.config_dir)):
            run.stop(Outcome.COMPLETED, "Ended, because it belonged to another login.")
        else:
            gevent.spawn(self.choosing.end_bypass, run)

    def _add(self, folder: RunFolder, record: RunRecord) -> Run:
        changed = self.changes(record.session_id)
        run = Run(folder, record, changed)
        self._runs[run.id] = run
        self._by_session.setdefault(record.session_id, []).append(run)
        changed.notify()
        self.written(record.session_id).notify()
        return run

    def _own(self, run: Run, lock: int) -> Owner:
        def history_end(fell_silent: float) -> int:
            path = self._settings.history_file(run.record.session_id)
            return history.end_of_part(path, run.record.history_start, fell_silent)

        return Owner(run, lock, history_end, self._settings.stop_deadline)

    def _follow(self, run: Run) -> None:
        written = self.written(run.record.session_id)

        def wrote() -> None:
            written.notify()
            run.files_changed()

        self._watcher.watch(run.folder.path, wrote)
        run.on_end(lambda: self._watcher.unwatch(run.folder.path))
        run.on_end(written.notify)
        run.on_end(self._news.set)
        run.follow()

    def _drop(self, run: Run) -> None:
        """Know nothing more of a run."""
        run.let_go()
        self._watcher.unwatch(run.folder.path)
        self._runs.pop(run.id, None)
        left = [each for each in self._by_session.pop(run.record.session_id, ()) if each is not run]
        if left:
            self._by_session[run.record.session_id] = left
        self.changes(run.record.session_id).notify()

    def _go_round(self) -> None:
        """Look after what no call brings about."""
        while True:
            self._news.wait(ROUND_SECONDS)
            self._news.clear()
            try:
                self._list()
                for run in [run for run in self._runs.values() if run.live and not run.owner]:
                    run.look()
                    if run.live:
                        self._take_over(run)
                self.admission.admit()
            except Exception:  # the next round tries again
                log.exception("the runs could not be looked after")

    # --- putting away -----------------------------------------------------------------------

    def forget(self, session_id: str) -> list[Run]:
        """Know nothing more of a session; its runs, whose folders are the caller's now.

        Raises StillRunning.
        """
        runs = self.of_session(session_id)
        if any(run.live for run in runs) or self._in_session(session_id):
            raise StillRunning("Claude is running in this session. Stop it first.")
        self._by_session.pop(session_id, None)
        for run in runs:
            self._runs.pop(run.id, None)
        self.changes(session_id).notify()
        return runs

    # --- ending -----------------------------------------------------------------------------

    def _end_idle_runs(self) -> None:
        timeout = self._settings.idle_timeout
        while timeout:
            gevent.sleep(ROUND_SECONDS)
            for run in self.owned():
                if run.phase is Phase.IDLE and time.time() - run.idle_since > timeout:
                    cause = f"Ended after {timeout / 60:g} idle minutes; a prompt resumes it."
                    run.stop(Outcome.COMPLETED, cause)

    def close(self) -> None:
        """Let go of the files. The runs go on without this server."""
        gevent.killall(self._greenlets)
        self.leaving.close()
        for run in [run for run in self._runs.values() if run.live]:
            run.let_go()
        self._watcher.close()
