"""Clear away what is old and kept elsewhere: run folders that Claude's own history has made
needless, and small files of sessions that are gone.

A run folder goes when all runs of its session have been over for long, when Claude's history file
holds what was said in it, and when no prompt was left in it that Claude did not take up. What
cannot be read is left alone. A crash in the middle leaves nothing half: folders are renamed first.
"""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.supervisor import Supervisor

log = logging.getLogger(__name__)

EVERY_SECONDS = 6 * 3600.0
_GOING = "collected-"
_DRAFT = re.compile(r"\..+-[0-9a-f]{16}")
"""What a writer that was killed has left of a file."""
DRAFT_SECONDS = 86400.0
LINES_PER_TURN_OF_THE_HUB = 100


class Retention:
    """Clears away what may go; the app does it at the start and every few hours."""

    def __init__(
        self,
        state: StateDir,
        supervisor: Supervisor,
        history_file: Callable[[str], Path | None],
        keep: float,
        changed: Callable[[str], None],
    ) -> None:
        """Keep what is younger than `keep` seconds; 0: keep everything.

        `changed` is called with the id of each session that has lost a run.
        """
        self._state = state
        self._supervisor = supervisor
        self._history_file = history_file
        self._keep = keep
        self._changed = changed

    def collect(self) -> int:
        """Clear away what may go; the number of runs that went."""
        self._sweep()
        if not self._keep:
            return 0
        gone = 0
        for run in self._supervisor.ended():
            gevent.sleep(0)
            try:
                if self._may_go(run):
                    self._remove(run)
                    gone += 1
            except (OSError, ValueError) as error:
                log.warning("%s is not cleared away: %s", run.folder.path, error)
        self._clear_sessions()
        if gone:
            log.info("%d old runs were cleared away; their sessions are in Claude's history.", gone)
        return gone

    def _may_go(self, run: Run) -> bool:
        session_id = run.record.session_id
        # all of a session or none: pages that sleep count in what they have of its runs
        if not all(self._is_old(each) for each in self._supervisor.of_session(session_id)):
            return False
        if self._supervisor.viewers.is_viewed(session_id) or not run.folder.path.exists():
            return False
        run.fold_new_lines(last=True)
        if run.state.waiting:
            return False
        said = {each for each, text in run.state.sent.items() if not text.startswith("/")}
        return not said or self._holds(run, said)

    def _is_old(self, run: Run) -> bool:
        end = run.record.end
        return end is not None and time.time() - end.at >= self._keep

    def _holds(self, run: Run, said: set[str]) -> bool:
        """Whether all these prompts stand in Claude's history, where the run's part of it is."""
        path, end = self._history_file(run.record.session_id), run.record.end
        if path is None or end is None or history.size(path) < end.history_end:
            return False
        reader = LineReader(path, run.record.history_start)
        reader.limit(end.history_end)
        left = {each.encode() for each in said}
        for count, line in enumerate(reader.read(), start=1):
            left = {each for each in left if each not in line.data}
            if not left:
                return True
            if count % LINES_PER_TURN_OF_THE_HUB == 0:
                gevent.sleep(0)
        return False

    def _remove(self, run: Run) -> None:
        path = run.folder.path
        going = path.with_name(_GOING + path.name)
        path.rename(going)
        self._supervisor.forget_run(run)
        shutil.rmtree(going, ignore_errors=True)  # what is left goes on the next round
        self._changed(run.record.session_id)

    # --- what else is left ------------------------------------------------------------------

    def _sweep(self) -> None:
        """Finish what a crash has cut off: of us, and of those who write files."""
        for path in self._state.folder("runs").glob(f"{_GOING}*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self._drafts():
            if _DRAFT.fullmatch(path.name) and _age(path) > DRAFT_SECONDS:
                path.unlink(missing_ok=True)

    def _drafts(self) -> Iterator[Path]:
        for pattern in (".*", "*/.*", "runs/*/.*", "drafts/*/.*", "trash/*/.*", "attached/*/*/.*"):
            yield from self._state.path.glob(pattern)

    def _clear_sessions(self) -> None:
        """What was kept for sessions of which there is nothing any more."""
        for folder in (each for each in self._state if each.with_session):
            for path in self._state.folder(folder.name).glob("*"):
                session_id = path.name.removesuffix(".json")
                old = history.SESSION_ID.fullmatch(session_id) and _age(path) > self._keep
                if old and not self._is_there(session_id):
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)

    def _is_there(self, session_id: str) -> bool:
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
