"""The sessions at the top of the start page: those that need the person, and those used last."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opcode_htmx.sessions.attention import AttentionItem, AttentionList
from opcode_htmx.sessions.lookup import SessionLookup, shorten
from opcode_htmx.sessions.recent import recent_sessions

SHOWN = 3
"""Of each list; the page of running sessions and those of the projects have the rest."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session in one of the lists; `at` is a Unix time, `phase` and `status` may be empty."""

    claude_folder: str
    session_id: str
    title: str
    project_path: str
    at: float
    phase: str = ""
    status: str = ""


class Overview:
    """Finds the sessions for the start page."""

    def __init__(self, config_dir: Path, attention: AttentionList, lookup: SessionLookup) -> None:
        self._config_dir = config_dir
        self._attention = attention
        self._lookup = lookup

    def needs_you(self) -> list[SessionRow]:
        """The sessions that wait for an answer, have failed, or are done and unread."""
        return [self._row(item) for item in self._attention.all()[:SHOWN]]

    def recent(self) -> list[SessionRow]:
        """The sessions that were used last, without those that need attention."""
        first = {item.run.record.session_id for item in self._attention.all()}
        found = recent_sessions(self._config_dir, SHOWN + len(first))
        return [
            SessionRow(
                claude_folder=each.path.parent.name,
                session_id=each.path.stem,
                title=shorten(each.name or each.title or ""),
                project_path=each.cwd or "",
                at=each.last_activity,
            )
            for each in found
            if each.path.stem not in first
        ][:SHOWN]

    def _row(self, item: AttentionItem) -> SessionRow:
        location = self._lookup.locations.of_run(item.run)
        return SessionRow(
            claude_folder=location.claude_folder,
            session_id=location.session_id,
            title=self._lookup.title_of_run(item.run),
            project_path=str(location.folder or ""),
            at=item.at,
            phase=item.reason,
            status=item.text,
        )
