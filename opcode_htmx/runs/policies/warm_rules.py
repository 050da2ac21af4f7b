"""When Claude may be started before there is a prompt, when it ends, and whether a prompt fits it.

Decides only; see warm_starts.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from opcode_htmx.runs.control import launcher
from opcode_htmx.runs.control.launcher import FolderNotAllowed, RunSettings
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.warm_mark import WarmMark
from opcode_htmx.runs.options.profiles import ProfileUnreadable
from opcode_htmx.runs.options.service import SessionOptionsService
from opcode_htmx.runs.policies.limit_monitor import available_memory
from opcode_htmx.runs.policies.project_trust import ProjectTrust
from opcode_htmx.runs.policies.viewer_presence import ViewerPresence

LEAST_MEMORY = 768_000_000
"""Bytes that have to be available for a start; one Claude takes about 220 MB."""
LEFT_SECONDS = 20.0
"""How long after its page was left a run without a prompt ends: a reload takes less."""
READY_SECONDS = 60.0
"""How long Claude may take to be ready: a second, and as long as hooks of the user's take."""
TRUST_SECONDS = 5.0
"""Between two checks whether a project is still trusted, which read its files."""

NOT_READY = "Ended, because Claude did not get ready."
OTHER_OPTIONS = "Ended, because the options have changed."


class WarmRules:
    """The rules, for all sessions."""

    def __init__(
        self,
        settings: RunSettings,
        options: SessionOptionsService,
        trust: ProjectTrust,
        viewers: ViewerPresence,
        refusal: Callable[[], str],
    ) -> None:
        """`refusal` is why no run may start now, else empty."""
        self._settings = settings
        self._options = options
        self._trust = trust
        self._viewers = viewers
        self._refusal = refusal
        self._began = time.time()
        self._trust_checked: dict[str, float] = {}

    def reason_against(self, session_id: str, project: Path, pids: frozenset[int]) -> str:
        """Why Claude is not started now; empty if it may be. `pids` are those of our own runs."""
        if not self._viewers.is_viewed(session_id):
            return "nobody looks at the session"
        if reason := self._no_room():
            return reason
        if self.is_elsewhere(session_id, pids):
            return "another program has the session open"
        try:
            launcher.check_folder(self._settings, project)
        except FolderNotAllowed as error:
            return str(error)
        return "" if self._is_trusted(session_id, project) else "the project is not trusted"

    def reason_to_end(self, run: Run, pids: frozenset[int]) -> str:
        """Why a run that has no prompt yet ends now, as its cause; empty if it does not."""
        session_id, now = run.record.session_id, time.time()
        written = WarmMark(run.folder.path).touched_at()
        if now - written > self._settings.warm_timeout:
            return "Ended, because no prompt was sent."
        seen = max(written, self._began, self._viewers.last_seen(session_id))
        if now - seen > LEFT_SECONDS and not self._viewers.is_viewed(session_id):
            return "Ended, because its page was left."
        if self._hangs(run):
            return NOT_READY
        if reason := self._no_room():
            return f"Ended for want of room: {reason}"
        if not self._has_options(run):
            return OTHER_OPTIONS
        if self._has_moved_on(run) or self.is_elsewhere(session_id, pids):
            return "Ended, because the session went on in another program."
        if now - self._trust_checked.get(run.id, 0.0) > TRUST_SECONDS:
            self._trust_checked = {run.id: now, **dict(list(self._trust_checked.items())[:100])}
            if not self._is_trusted(session_id, Path(run.record.project_path)):
                return "Ended, because the project is not trusted any more."
        return ""

    def serves(self, run: Run, project: Path) -> bool:
        """Whether a prompt can go to a run that has none yet: a new process would be the same."""
        return not (
            run.record.project_path != str(project)
            or self._hangs(run)
            or self._has_moved_on(run)
            or not self._has_options(run)
            or not self._is_trusted(run.record.session_id, project)
        )

    def _no_room(self) -> str:
        if reason := self._refusal():
            return reason
        return "" if available_memory() >= LEAST_MEMORY else "too little memory is available"

    def _hangs(self, run: Run) -> bool:
        # also one that began long before the clock was put back
        age = abs(time.time() - run.record.created_at)
        return run.phase is Phase.STARTING and age > READY_SECONDS

    def _has_options(self, run: Run) -> bool:
        """Whether the session's next process would start with the same command line."""
        if not run.record.argv:  # it is being started
            return True
        try:
            command = launcher.command_line(self._settings, self._options, run.record.session_id)
        except ProfileUnreadable:
            return False
        return run.record.argv == command.argv

    def _has_moved_on(self, run: Run) -> bool:
        """Whether another process has continued the session since, which Claude does not know."""
        record = run.record
        return self._settings.engine.history.has_gone_on(record.session_id, record.history_start)

    def is_elsewhere(self, session_id: str, pids: frozenset[int]) -> bool:
        """Whether another program has the session open; `pids` are those of our own runs."""
        return bool(self._settings.engine.processes.pids_of(session_id) - pids)

    def _is_trusted(self, session_id: str, project: Path) -> bool:
        return (
            not self._options.uses_project_settings(session_id)
            or self._trust.needed(project) is None
        )
