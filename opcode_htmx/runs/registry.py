"""The runs of this machine as one worker knows them: started here, in another worker, or long ago.

The folders on disk are the only source. A run without an owner is taken over (adoption.py).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Set
from typing import Any

import gevent

from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.file_watch import FolderWatcher
from opcode_htmx.runs import order
from opcode_htmx.runs.adoption import Adoption
from opcode_htmx.runs.control.cleared_mark import ClearedMark
from opcode_htmx.runs.control.launcher import RunSettings
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.record import RUN_ID, Outcome, RunEnd, RunRecord
from opcode_htmx.runs.model.run_folder import ERRORS, OUTPUT, RunFolder
from opcode_htmx.runs.model.warm_mark import WarmMark
from opcode_htmx.runs.session_changes import SessionChanges

log = logging.getLogger(__name__)

_READ_BY_FOLLOWERS = frozenset({OUTPUT, ERRORS})


class RunNotFound(Exception):
    """No run has this id."""


class RunRegistry:
    """All runs that have a folder."""

    def __init__(
        self,
        settings: RunSettings,
        adopted: Callable[[Run], None],
        on_change: Callable[[], None],
        publish: Callable[[Run], None] = lambda run: None,
        unused_ended: Callable[[Run], None] = lambda run: None,
    ) -> None:
        """`adopted` is called with each run that was started elsewhere and goes on here.

        `on_change` is called when a run has ended or another worker may have started one. `publish`
        is called with each run that is ours from now on, and with each that has ended; it is quick.
        `unused_ended` is called with each run that has ended without a prompt.
        """
        self._settings = settings
        self._runs_dir = os.fspath(settings.runs_dir)
        self._adoption = Adoption(settings, adopted, on_change, publish, self._discarded)
        self._on_change = on_change
        self._publish = publish
        self._unused_ended = unused_ended
        self._runs: dict[str, Run] = {}
        self._live: dict[str, Run] = {}
        """Those of them that were live when they were looked at last, and may be."""
        self.is_watched = False
        """Whether `on_change` is called for each run that another worker starts."""
        self._by_session: dict[str, list[Run]] = {}
        self._listed = 0
        """The modification time of the folder of runs when it was listed."""
        self._unreadable: set[str] = set()
        self._watcher = FolderWatcher(lambda: self._session_changes.are_awaited)
        self._session_changes = SessionChanges(self._watcher.hurry)

    # --- finding ----------------------------------------------------------------------------

    def get(self, run_id: str) -> Run:
        """Raises RunNotFound."""
        self._list()
        try:
            return self._runs[run_id]
        except KeyError:
            raise RunNotFound("There is no such run; it may have been cleared away.") from None

    def of_session(self, session_id: str) -> list[Run]:
        """The runs of a session, oldest first."""
        self._list()
        return list(self._by_session.get(session_id, ()))

    def came_into(self, session_id: str) -> list[Run]:
        """The runs that were started for another session and are in this one, or have been."""
        self._list()
        return [
            run
            for run in self._runs.values()
            if session_id in run.state.session_ids and session_id != run.record.session_id
        ]

    def newest(self, among: Callable[[list[Run]], list[Run]]) -> list[Run]:
        """The newest run of each session `among` its runs, alive or not."""
        self._list()
        found = [among(runs) for runs in list(self._by_session.values())]
        return [runs[-1] for runs in found if runs]

    def changes(self, session_id: str) -> Broadcast:
        """Notified when a run of the session starts, changes or ends."""
        return self._session_changes.of(session_id)

    def written(self, session_id: str) -> Broadcast:
        """Notified when a run of the session starts, has written something or has ended.

        It comes before the run's state has been folded, for followers that read by themselves.
        """
        return self._session_changes.written(session_id)

    def live(self) -> list[Run]:
        """The runs whose process is alive, and those that are queued, newest first."""
        self._list()
        return order.newest_first(self._known_live())

    def live_ids(self) -> set[str]:
        """The ids of the same runs."""
        self._list()
        return {run.id for run in self._known_live()}

    @property
    def has_live(self) -> bool:
        """Whether there is any, as far as it is known here."""
        return bool(self._live)

    def owned(self) -> list[Run]:
        """The live runs that this worker owns."""
        return [run for run in self._known_live() if run.owner]

    def newest_first(self) -> list[Run]:
        self._list()
        return order.newest_first(self._runs.values())

    def _known_live(self) -> list[Run]:
        found = [run for run in self._live.values() if run.live]
        if len(found) < len(self._live):
            self._live = {run.id: run for run in found}
        return found

    # --- reading the folders ------------------------------------------------------------------

    def read(self) -> None:
        """List all runs, also those that could not be read before, and watch for new ones."""
        self._unreadable.clear()
        self._listed = 0
        self.is_watched = self._watcher.watch(
            self._settings.runs_dir, self._on_change, or_poll=False
        )
        self._list()

    def _list(self) -> None:
        """Update the list of runs from the folders, if their parent folder has changed."""
        try:
            changed = os.stat(self._runs_dir).st_mtime_ns  # noqa: PTH116 - asked very often
            if changed == self._listed:
                return
            self._listed = changed if time.time_ns() - changed > atomic_files.CLOCK_TICK_NS else 0
            with os.scandir(self._runs_dir) as entries:
                names = {entry.name for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            return
        for run in [run for run_id, run in self._runs.items() if run_id not in names]:
            if not run.owner:  # an owned run goes on without its folder as long as it lives
                self._vanished(run)
        new = [name for name in names if RUN_ID.fullmatch(name) and name not in self._runs]
        for name in new:
            if name not in self._unreadable:
                self._adopt(RunFolder(self._settings.runs_dir / name))
        if new:
            for runs in self._by_session.values():
                order.sort_session(runs)

    def _adopt(self, folder: RunFolder) -> None:
        try:
            run = self._add(folder, folder.load())
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("cannot read run folder %s, ignoring it: %s", folder.path, error)
            self._unreadable.add(folder.path.name)
            return
        if run.live:
            run.fold_new_lines()
            run.refresh_record()
            self._adoption.take_over(run)
            if run.live:
                self._follow(run)
        else:
            run.state.session_ids = ClearedMark(folder.path).session_ids()
        if not run.live:
            self._publish(run)

    def _vanished(self, run: Run) -> None:
        """Forget a run whose folder is gone; one without a prompt has ended in another worker."""
        if run.live and run.is_unused:
            run.conclude(run.record.ended(RunEnd(Outcome.COMPLETED, time.time(), "", None, 0)))
            if run.stopping:  # else only its owner knows whether it has crashed
                self._unused_ended(run)
        self.drop(run)

    def look_after(self) -> None:
        """Learn what other workers have done, and take over runs that have lost their owner."""
        self._list()
        for run in [run for run in self._known_live() if not run.owner]:
            run.refresh_record()
            if run.live:
                self._adoption.take_over(run)

    # --- adding and removing ------------------------------------------------------------------

    def begin(self, unpublished: RunFolder, record: RunRecord) -> Run:
        """Own a run that this worker has prepared, and publish it to the others. Raises OSError."""
        lock = unpublished.own()
        if lock is None:
            raise OSError("its folder is locked")
        run = self._add(unpublished.publish(record.id), record)
        self._adoption.own(run, lock)
        self._follow(run)
        return run

    def _add(self, folder: RunFolder, record: RunRecord) -> Run:
        changed = self.changes(record.session_id)
        run = Run(folder, record, changed, self._settings.engine.codec)
        run.allow_bypass = self._settings.allow_bypass
        run.on_first_token = self._settings.on_first_token
        run.started_warm = record.end is None and WarmMark(folder.path).exists()
        self._runs[run.id] = run
        if run.live:
            self._live[run.id] = run
            self._on_change()
        self._by_session.setdefault(record.session_id, []).append(run)
        changed.notify()
        self.written(record.session_id).notify()
        return run

    def _follow(self, run: Run) -> None:
        written = self.written(run.record.session_id)
        loop: Any = gevent.get_hub().loop

        def on_write(names: Set[str]) -> None:
            if not names or ERRORS in names:
                run.note_errors()
            is_awaited = written.is_awaited
            if not names or not names.isdisjoint(_READ_BY_FOLLOWERS):
                written.notify()
            if OUTPUT in names:
                run.note_write()
            if is_awaited:  # those that wait come first
                loop.run_callback(run.files_changed, names)
            else:
                run.files_changed(names)

        self._watcher.watch_names(run.folder.path, on_write)
        run.on_end(lambda: self._watcher.unwatch(run.folder.path))
        run.on_end(written.notify)
        run.on_end(self._on_change)
        run.on_end(lambda: self._publish(run))
        run.follow()

    def _discarded(self, run: Run) -> None:
        """Forget a run that has ended without a prompt and left nothing."""
        run.on_end(lambda: self.drop(run))
        self._unused_ended(run)

    def drop(self, run: Run) -> None:
        """Forget a run."""
        run.detach()
        self._watcher.unwatch(run.folder.path)
        self._runs.pop(run.id, None)
        self._live.pop(run.id, None)
        of_session = self._by_session.pop(run.record.session_id, ())
        others = [each for each in of_session if each is not run]
        if others:
            self._by_session[run.record.session_id] = others
        self.changes(run.record.session_id).notify()

    def close(self) -> None:
        """Close the files. The runs go on without this worker."""
        for run in self._known_live():
            run.detach()
        self._watcher.close()
