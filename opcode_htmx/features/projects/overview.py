"""The sessions at the top of the start page: those that need the person, and recent ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flask import url_for

from opcode_htmx.rendering.fragments import dom_id
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.attention import AttentionList
from opcode_htmx.sessions.lookup import SessionLookup, shorten
from opcode_htmx.sessions.recent import recent_sessions
from opcode_htmx.sessions.status_panel import status_text

SHOWN = 3
"""Of each list; the page of running sessions and those of the projects have the rest."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session in one of the lists; `at` is a Unix time, `phase` and `status` may be empty."""

    address: str
    title: str
    project_path: str
    at: float
    phase: str = ""
    status: str = ""


class Overview:
    """Finds the sessions for the start page."""

    def __init__(
        self,
        config_dir: Path,
        runs: Supervisor,
        attention: AttentionList,
        lookup: SessionLookup,
    ) -> None:
        self._config_dir = config_dir
        self._runs = runs
        self._attention = attention
        self._lookup = lookup

    def needs_you(self) -> list[SessionRow]:
        """The sessions that wait for an answer, have failed, or are done and unread."""
        return [
            self._row(item.run, item.reason, item.text, item.at)
            for item in self._attention.all()[:SHOWN]
        ]

    def recent(self) -> list[SessionRow]:
        """The sessions in which Claude works, then those used last; none that need attention."""
        known = {item.run.record.session_id for item in self._attention.all()}
        working = [
            run
            for run in self._runs.live()
            if run.phase is not Phase.IDLE and run.record.session_id not in known
        ]
        known |= {run.record.session_id for run in working}
        found = recent_sessions(self._config_dir, SHOWN + len(known))
        rows = [
            self._row(run, run.phase, status_text(run), run.record.created_at)
            for run in working[:SHOWN]
        ]
        return (
            rows
            + [
                SessionRow(
                    address=_address(each.path.parent.name, each.path.stem),
                    title=shorten(each.name or each.title or ""),
                    project_path=each.cwd or "",
                    at=each.last_activity,
                )
                for each in found
                if each.path.stem not in known
            ][:SHOWN]
        )

    def _row(self, run: Run, phase: str, status: str, at: float) -> SessionRow:
        location = self._lookup.locations.of_run(run)
        request = next(iter(run.state.asks.values()), None)
        place = dom_id(request.request_id) if request else "end"
        return SessionRow(
            address=_address(location.claude_folder, location.session_id, place),
            title=self._lookup.title_of_run(run),
            project_path=str(location.folder or ""),
            at=at,
            phase=phase,
            status=status,
        )


def _address(project_id: str, session_id: str, place: str = "end") -> str:
    """The address of a session's page, at the element `place`."""
    return url_for(
        "session_page.session", project_id=project_id, session_id=session_id, _anchor=place
    )
