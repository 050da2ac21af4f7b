"""All runs: start one, find it, adopt what an earlier server left, end what has been idle.

The only place where runs are made. Knows nothing of how they are shown.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

import gevent
from gevent.lock import BoundedSemaphore

from ..claude import history, outgoing
from ..claude.messages import ImageContent
from ..disk import DiskFull
from . import process, starting
from .choosing import Choosing
from .folder import RUN_ID, InputClosed, Outcome, RunFolder, RunRecord
from .leaving import Leaving
from .limits import Warden, check_queue
from .notify import Broadcast
from .phases import Phase
from .process import ProcessIdentity
from .room import Room
from .run import Run, RunNotLive
from .starting import CannotStart, RunSettings
from .watch import FolderWatcher

log = logging.getLogger(__name__)

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
        self.leaving = Leaving(self.live, self.choosing.keeps_running, settings.disconnect_grace)
        self._runs: dict[str, Run] = {}
        self._by_session: dict[str, list[Run]] = {}
        self._watcher = FolderWatcher()
        self._prompting: dict[str, BoundedSemaphore] = {}
        self.room = Room(settings.runs_dir.parent, settings.least_room, self.live)
        self._warden = Warden(
            self.live,
            settings.limits,
            lambda run: process.memory_of(run.record.pid),
            self.room.look,
        )
        self._changes: dict[str, Broadcast] = {}
        self._written: dict[str, Broadcast] = {}

    @property
    def binary(self) -> Path:
        """The CLI that new runs are started with."""
        return self._settings.binary

    # --- finding ----------------------------------------------------------------------------

    def get(self, run_id: str) -> Run:
        try:
            return self._runs[run_id]
        except KeyError:
            raise RunNotFound("There is no such run; it may have been cleared away.") from None

    def of_session(self, session_id: str) -> list[Run]:
        """The runs of a session, oldest first."""
        return list(self._by_session.get(session_id, ()))

    def newest(self) -> list[Run]:
        """The newest run of each session, alive or not."""
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
        """The runs whose process is alive, newest first."""
        return [run for run in self._newest_first() if run.live]

    def ended(self) -> list[Run]:
        """The runs that are over, newest first."""
        return [run for run in self._newest_first() if run.record.end]

    def _newest_first(self) -> list[Run]:
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

        A prompt that was sent already under this id is not sent again. Raises CannotStart,
        DiskFull, QueueFull, or RunNotLive when the process hangs.
        """
        self.leaving.seen(session_id)
        # a session at a time, so that one that hangs holds up no other
        with self._prompting.setdefault(session_id, BoundedSemaphore(1)):
            runs = self.of_session(session_id)
            if self.has_sent(session_id, prompt_id):
                return runs[-1]
            working = runs[-1] if runs and runs[-1].live else self._in_session(session_id)
            if working and working.phase is not Phase.STOPPING:
                check_queue(working, self._settings.limits)
            if working and self._reaches(working, prompt_id, text, images):
                return working
            run = self._start(session_id, project)
            try:
                run.prompt(prompt_id, text, images)
            except RunNotLive as error:
                run.join(END_GRACE_SECONDS)
                why = [run.record.end.cause if run.record.end else str(error)]
                raise CannotStart(" ".join([*why, *run.folder.error_lines(1)])) from error
            return run

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
        if refusal := self.room.refusal:
            raise DiskFull(refusal)
        started = starting.start(self._settings, self.choosing, session_id, project)
        run = self._add(started.folder, started.record)
        self._follow(run, started.process)
        with contextlib.suppress(InputClosed, OSError):  # what Claude offers is good to know
            started.folder.send(outgoing.initialize_line())
        return run

    # --- after a restart --------------------------------------------------------------------

    def adopt(self) -> None:
        """Take over the runs that are on disk: those that live, and the records of the others."""
        if not self._settings.runs_dir.is_dir():
            return
        for path in self._settings.runs_dir.iterdir():
            if RUN_ID.fullmatch(path.name) and path.name not in self._runs:
                try:
                    self._adopt(RunFolder(path))
                except (OSError, ValueError, KeyError, TypeError) as error:
                    log.warning("run folder %s cannot be read and is left alone: %s", path, error)
        for runs in self._by_session.values():
            runs.sort(key=lambda run: run.record.created_at)

    def _adopt(self, folder: RunFolder) -> None:
        record = folder.load()
        if record.end:
            self._add(folder, record)
            return
        found = None
        if record.pid is not None and record.process_started_at is not None:
            identity = ProcessIdentity(record.pid, record.process_started_at)
            found = process.adopt(identity, record.id)
        run = self._add(folder, record)
        if found:
            log.info("run %s goes on as process %s", run.id, found.identity.pid)
            run.catch_up()
            self._follow(run, found)
            if record.config_dir not in ("", str(self._settings.config_dir)):
                run.stop(Outcome.COMPLETED, "Ended, because it belonged to another login.")
            else:
                gevent.spawn(self.choosing.end_bypass, run)
        else:
            process.sweep(run.id)
            run.finish(None)

    def _add(self, folder: RunFolder, record: RunRecord) -> Run:
        session_id = record.session_id

        def history_end(fell_silent: float) -> int:
            path = self._settings.history_file(session_id)
            return history.end_of_part(path, record.history_start, fell_silent)

        changed = self.changes(session_id)
        run = Run(folder, record, changed, history_end, self._settings.stop_deadline)
        self._runs[run.id] = run
        self._by_session.setdefault(session_id, []).append(run)
        changed.notify()
        self.written(session_id).notify()
        return run

    def _follow(self, run: Run, found: process.ClaudeProcess) -> None:
        written = self.written(run.record.session_id)

        def wrote() -> None:
            written.notify()
            run.files_changed()

        self._watcher.watch(run.folder.path, wrote)
        run.begin(found)
        run.on_end(lambda: self._watcher.unwatch(run.folder.path))
        run.on_end(written.notify)
        # what was written between the start and the watch
        run.files_changed()

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

    def put_away(self, run: Run) -> None:
        """Know nothing more of a run that is over; its folder is the caller's now."""
        self._runs.pop(run.id, None)
        of_session = self._by_session.get(run.record.session_id, [])
        if run in of_session:
            of_session.remove(run)
        if not of_session:
            self._by_session.pop(run.record.session_id, None)

    # --- ending -----------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the files. The runs go on without this server."""
        self._warden.close()
        self.leaving.close()
        for run in self.live():
            run.let_go()
        self._watcher.close()
