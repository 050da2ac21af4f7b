"""All runs: start one, find it, adopt what an earlier server left, end what has been idle.

The only place where runs are made. Knows nothing of how they are shown.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import gevent
from gevent.lock import BoundedSemaphore

from ..claude import command
from . import process
from .folder import RUN_ID, Outcome, RunFolder, RunRecord
from .notify import Broadcast
from .phases import Phase
from .process import ProcessIdentity
from .run import Run
from .watch import FolderWatcher

log = logging.getLogger(__name__)

IDLE_CHECK_SECONDS = 1.0


class RunNotFound(Exception):
    """No run has this id."""


class CannotStart(Exception):
    """Claude could not be started; the message says why in the user's terms."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What every run of this server shares. Durations in seconds."""

    runs_dir: Path
    binary: Path
    environment: Mapping[str, str]
    permission_mode: str | None
    stop_deadline: float
    idle_timeout: float
    history_file: Callable[[str], Path | None]
    """Claude's history file of a session id, once there is one."""


class Supervisor:
    """The runs of this server."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._runs: dict[str, Run] = {}
        self._by_session: dict[str, list[Run]] = {}
        self._watcher = FolderWatcher()
        self._starting = BoundedSemaphore(1)
        self._idle_watch = gevent.spawn(self._end_idle_runs)
        self._changes: dict[str, Broadcast] = {}

    # --- finding ----------------------------------------------------------------------------

    def get(self, run_id: str) -> Run:
        try:
            return self._runs[run_id]
        except KeyError:
            raise RunNotFound("There is no such run; it may have been cleared away.") from None

    def of_session(self, session_id: str) -> list[Run]:
        """The runs of a session, oldest first."""
        return list(self._by_session.get(session_id, ()))

    def changes(self, session_id: str) -> Broadcast:
        """What is notified when a run of the session begins, says something or ends."""
        return self._changes.setdefault(session_id, Broadcast())

    def live(self) -> list[Run]:
        """The runs whose process is alive, newest first."""
        runs = [run for run in self._runs.values() if run.live]
        return sorted(runs, key=lambda run: run.record.created_at, reverse=True)

    # --- starting ---------------------------------------------------------------------------

    def prompt(self, session_id: str, project: Path, prompt_id: str, text: str) -> Run:
        """Send a prompt to a session: to its live process, or to a new one that resumes it.

        Raises CannotStart, or RunNotLive when the process goes away at this very moment.
        """
        with self._starting:
            runs = self.of_session(session_id)
            if any(prompt_id in run.state.sent for run in runs):
                return runs[-1]
            run = runs[-1] if runs and runs[-1].live else None
            if run and run.phase is Phase.STOPPING:
                run.join(self._settings.stop_deadline)
                run = None
            run = run or self._start(session_id, project)
            run.prompt(prompt_id, text)
            return run

    def _start(self, session_id: str, project: Path) -> Run:
        settings = self._settings
        history = settings.history_file(session_id)
        argv = command.build(
            settings.binary,
            session_id,
            resume=history is not None,
            permission_mode=settings.permission_mode,
        )
        if not project.is_dir():
            raise CannotStart(f"The folder {project} does not exist any more.")
        run_id = uuid.uuid4().hex
        try:
            folder = RunFolder.create(settings.runs_dir, run_id)
            record = RunRecord(
                id=run_id,
                session_id=session_id,
                project_path=str(project),
                argv=argv,
                created_at=time.time(),
                history_start=_size(history),
            )
            folder.store(record)
            started = process.spawn(argv, project, settings.environment, folder, run_id)
        except OSError as error:
            raise CannotStart(f"Claude could not be started: {error.strerror}.") from error
        record = record.started(started.identity.pid, started.identity.started_at)
        folder.store(record)
        run = self._add(folder, record)
        self._follow(run, started)
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
        else:
            run.sweep()
            run.finish(None)

    def _add(self, folder: RunFolder, record: RunRecord) -> Run:
        session_id = record.session_id

        def history_size() -> int:
            return _size(self._settings.history_file(session_id))

        changed = self.changes(session_id)
        run = Run(folder, record, changed, history_size, self._settings.stop_deadline)
        self._runs[run.id] = run
        self._by_session.setdefault(session_id, []).append(run)
        changed.notify()
        return run

    def _follow(self, run: Run, found: process.ClaudeProcess) -> None:
        self._watcher.watch(run.folder.path, run.files_changed)
        run.begin(found)
        run.on_end(lambda: self._watcher.unwatch(run.folder.path))
        # what was written between the start and the watch
        run.files_changed()

    # --- ending -----------------------------------------------------------------------------

    def _end_idle_runs(self) -> None:
        timeout = self._settings.idle_timeout
        while timeout:
            gevent.sleep(IDLE_CHECK_SECONDS)
            for run in self.live():
                if run.phase is Phase.IDLE and time.time() - run.idle_since > timeout:
                    cause = f"Ended after {timeout / 60:g} idle minutes; a prompt resumes it."
                    run.stop(Outcome.COMPLETED, cause)

    def close(self) -> None:
        """Let go of the files. The runs go on without this server."""
        self._idle_watch.kill()
        self._watcher.close()


def _size(path: Path | None) -> int:
    try:
        return path.stat().st_size if path else 0
    except FileNotFoundError:
        return 0
