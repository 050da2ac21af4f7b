"""Delete old data that is kept elsewhere: run folders, and small files of deleted sessions.

A run folder is deleted when all runs of its session ended long ago, Claude's history file holds its
messages, and no prompt in it is still unread. Data that cannot be read is kept. A crash leaves no
half-deleted folder: folders are renamed first.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.storage.session_flags import SessionFlags

log = logging.getLogger(__name__)

EVERY_SECONDS = 6 * 3600.0
_RENAMED_PREFIX = "collected-"
_TEMPORARY_NAME = late_pattern(r"\..+-[0-9a-f]{16}")
"""The name of a temporary file, which a killed writer may leave behind."""
TEMPORARY_SECONDS = 86400.0
LINES_PER_SLICE = 100


class Retention:
    """Deletes old data; a job runs it at the start and every few hours."""

    def __init__(
        self,
        state: StateDir,
        supervisor: Supervisor,
        history_file: Callable[[str], Path | None],
        keep: float,
        changed: Callable[[str], None],
        flags: SessionFlags | None = None,
    ) -> None:
        """Keep data that is younger than `keep` seconds; 0: keep everything.

        `changed` is called with the id of each session that has lost a run. The `flags` of
        sessions that do not exist any more are removed, too.
        """
        self._state = state
        self._supervisor = supervisor
        self._history_file = history_file
        self._keep = keep
        self._changed = changed
        self._flags = flags

    def collect(self) -> int:
        """Delete what is old; the number of deleted runs."""
        self._delete_remains()
        if not self._keep:
            return 0
        deleted = 0
        for run in self._supervisor.ended():
            gevent.sleep(0)
            try:
                if self._is_deletable(run):
                    self._remove(run)
                    deleted += 1
            except (OSError, ValueError) as error:
                log.warning("could not delete %s: %s", run.folder.path, error)
        self._clear_sessions()
        if self._flags is not None:
            self._flags.collect(self._exists, self._keep)
        if deleted:
            log.info("deleted %d old runs, whose sessions are in Claude's history", deleted)
        return deleted

    def _is_deletable(self, run: Run) -> bool:
        session_id = run.record.session_id
        # all runs of a session or none: the cursors of sleeping pages contain numbers of runs
        if not all(self._is_old(each) for each in self._supervisor.of_session(session_id)):
            return False
        if self._supervisor.viewers.is_viewed(session_id) or not run.folder.path.exists():
            return False
        run.fold_new_lines(last=True)
        if run.state.waiting:
            return False
        prompts = {each for each, text in run.state.sent.items() if not text.startswith("/")}
        return not prompts or self._history_holds(run, prompts)

    def _is_old(self, run: Run) -> bool:
        end = run.record.end
        return end is not None and time.time() - end.at >= self._keep

    def _history_holds(self, run: Run, prompts: set[str]) -> bool:
        """Whether the run's part of Claude's history contains the ids of all these prompts."""
        path, end = self._history_file(run.record.session_id), run.record.end
        if path is None or end is None or history.size(path) < end.history_end:
            return False
        reader = LineReader(path, run.record.history_start)
        reader.limit(end.history_end)
        missing = {each.encode() for each in prompts}
        for count, line in enumerate(reader.read(), start=1):
            missing = {each for each in missing if each not in line.data}
            if not missing:
                return True
            if count % LINES_PER_SLICE == 0:
                gevent.sleep(0)
        return False

    def _remove(self, run: Run) -> None:
        path = run.folder.path
        renamed = path.with_name(_RENAMED_PREFIX + path.name)
        path.rename(renamed)
        self._supervisor.forget_run(run)
        shutil.rmtree(renamed, ignore_errors=True)  # the next round deletes the rest
        self._changed(run.record.session_id)

    # --- other remains ----------------------------------------------------------------------

    def _delete_remains(self) -> None:
        """Delete what crashes have left: renamed folders, and temporary files."""
        for path in self._state.folder("runs").glob(f"{_RENAMED_PREFIX}*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self._temporary_files():
            if _TEMPORARY_NAME.fullmatch(path.name) and _age(path) > TEMPORARY_SECONDS:
                path.unlink(missing_ok=True)

    def _temporary_files(self) -> Iterator[Path]:
        folders = ("runs/*", "drafts/*", "reviews/*", "trash/*", "attached/*/*")
        for folder in (".", "*", *folders):
            yield from self._state.path.glob(f"{folder}/.*")

    def _clear_sessions(self) -> None:
        """Delete the small files of sessions that do not exist any more."""
        for folder in (each for each in self._state if each.with_session):
            for path in self._state.folder(folder.name).glob("*"):
                session_id = path.name.removesuffix(".json")
                old = history.SESSION_ID.fullmatch(session_id) and _age(path) > self._keep
                if old and not self._exists(session_id):
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)

    def _exists(self, session_id: str) -> bool:
        return (
            bool(self._supervisor.of_session(session_id))
            or self._history_file(session_id) is not None
            or any(
                path.exists()
                for folder, path in self._state.of_session(session_id).items()
                if not folder.with_session
            )
            or any(self._state.folder("trash").glob(f"*/*-{session_id}*"))
        )


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0
