"""The sessions at the top of the start page: those that need the person, and recent ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opcode_htmx.rendering.fragments import dom_id
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.attention import AttentionList
from opcode_htmx.sessions.lookup import SessionLookup, shorten
from opcode_htmx.sessions.recent import recent_sessions
from opcode_htmx.sessions.status_panel import status_text
from opcode_htmx.web.http.forms import session_url

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


@dataclass(frozen=True, slots=True)
class StartLists:
    """The lists of the start page; no session is in both."""

    needs_you: list[SessionRow]
    """The sessions that wait for an answer, have failed, or are done and unread."""
    recent: list[SessionRow]
    """The sessions in which Claude works, then those used last."""


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

    def lists(self) -> StartLists:
        """Each with the newest `SHOWN`; of the recent ones as many that work and that do not."""
        items = self._attention.all()
        waiting = {item.run.record.session_id for item in items}
        working = [
            run
            for run in self._runs.live()
            if run.phase is not Phase.IDLE and run.record.session_id not in waiting
        ]
        shown = waiting | {run.record.session_id for run in working}
        ended = [
            SessionRow(
                address=session_url(each.path.parent.name, each.path.stem),
                title=shorten(each.name or each.title or ""),
                project_path=each.cwd or "",
                at=each.last_activity,
            )
            for each in recent_sessions(self._config_dir, SHOWN + len(shown))
            if each.path.stem not in shown
        ]
        return StartLists(
            needs_you=[
                self._row(item.run, item.reason, item.text, item.at) for item in items[:SHOWN]
            ],
            recent=[
                *(
                    self._row(run, run.phase, status_text(run), run.record.created_at)
                    for run in working[:SHOWN]
                ),
                *ended[:SHOWN],
            ],
        )

    def _row(self, run: Run, phase: str, status: str, at: float) -> SessionRow:
        location = self._lookup.locations.of_run(run)
        request = next(iter(run.state.asks.values()), None)
        place = dom_id(request.request_id) if request else "end"
        return SessionRow(
            address=session_url(location.claude_folder, location.session_id, place),
            title=self._lookup.title_of_run(run),
            project_path=str(location.folder or ""),
            at=at,
            phase=phase,
            status=status,
        )
