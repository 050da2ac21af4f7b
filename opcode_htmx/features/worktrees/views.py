"""What the pages and the API show of copies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.sessions.folder_labels import name_of, shortened
from opcode_htmx.sessions.status_panel import status_text
from opcode_htmx.sessions.worktrees.copies import Copies, Copy, CopyOrigin
from opcode_htmx.sessions.worktrees.endings import CopyEndings
from opcode_htmx.sessions.worktrees.kept_copies import KeptCopy
from opcode_htmx.sessions.worktrees.records import SessionWorktree
from opcode_htmx.sessions.worktrees.service import SessionWorktrees
from opcode_htmx.sessions.worktrees.standing import Standing, standing, standings, words_of
from opcode_htmx.web.http.forms import session_url

MOST = 60
"""Copies on one page; each needs some starts of git."""
_ORIGINS = {
    CopyOrigin.SESSION: "",
    CopyOrigin.CLAUDE: "made by Claude Code",
    CopyOrigin.OTHER: "made with git",
}


@dataclass(frozen=True, slots=True)
class SessionLink:
    title: str
    address: str


@dataclass(frozen=True, slots=True)
class CopyRow:
    """A copy as pages show it."""

    copy: Copy
    standing: Standing
    project: str
    """The name of the main checkout's folder."""
    place: str
    sessions: tuple[SessionLink, ...]
    status: str
    """What Claude does there; empty without a live run."""
    words: tuple[str, ...]
    """How the work stands."""
    survives: str
    """Why it may be left over; empty if it is in use."""
    origin: str


@dataclass(frozen=True, slots=True)
class CopyPages:
    """Serves the pages of one worker."""

    context: AppContext
    service: SessionWorktrees
    copies: Copies
    endings: CopyEndings

    def rows(self, found: Sequence[Copy]) -> list[CopyRow]:
        known = standings(self.service, found)
        return [self._row(copy, each) for copy, each in zip(found, known, strict=True)]

    def row(self, copy: Copy) -> CopyRow:
        return self._row(copy, standing(self.service, copy))

    def _row(self, copy: Copy, now: Standing) -> CopyRow:
        workspace = self.context.workspace
        links = tuple(self._link(*each) for each in copy.sessions[:5])
        return CopyRow(
            copy,
            now,
            name_of(Path(copy.repository), workspace),
            shortened(copy.path),
            links,
            self._status(copy.run) if copy.run else "",
            tuple(words_of(now)),
            _survives(copy),
            _ORIGINS[copy.origin],
        )

    def _status(self, run: Run) -> str:
        return status_text(run, stop=self.context.sessions.budgets.stop_of(run))

    def _link(self, claude_folder: str, session_id: str) -> SessionLink:
        lookup = self.context.sessions.lookup
        path = lookup.history_file_or_none(claude_folder, session_id)
        known = sessions.title_of(path) if path else ""
        if not known:
            runs = self.context.runs.of_session(session_id)
            known = lookup.title_of_run(runs[-1]) if runs else "A session"
        return SessionLink(known, session_url(claude_folder, session_id))

    def project_of(self, record: SessionWorktree | KeptCopy) -> str:
        return name_of(Path(record.repository), self.context.workspace)


def _survives(copy: Copy) -> str:
    if copy.worktree.prunable is not None:
        return "Its folder is gone"
    if copy.held_by:
        return ""
    if copy.worktree.locked is not None:
        return "It is locked"
    if copy.record is not None and not copy.sessions and not copy.record.state.is_open:
        return "Its session is gone"
    return "" if copy.sessions or copy.record else "No session works in it"
