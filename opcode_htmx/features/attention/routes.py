"""The list of what needs the person, of what runs, and of what was left behind; all projects."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.loop_monitor import LoopMonitor
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.processes.orphans import Orphan, OrphanGroup, Orphans
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor, Usage
from opcode_htmx.runs.supervisor import RunNotFound, Supervisor
from opcode_htmx.sessions.attention import AttentionList
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.status_panel import (
    about,
    kind_of,
    listed_tasks,
    status_text,
    warnings_of,
)
from opcode_htmx.web.auth.gate import current_identity

SHOWN_ORPHANS = 5
"""Of one run; the others are counted."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One line of the list, about a session by its newest run; `at` is a Unix time."""

    id: str
    project_id: str
    project_path: str
    session_id: str
    title: str
    phase: str
    status: str
    at: float
    live: bool
    usage: Usage
    warnings: Sequence[str] = ()
    background: Sequence[tuple[str, str]] = ()
    """What still runs beside Claude's turns: its kind and description."""
    more: int = 0
    """How much more of that there is."""


@dataclass(frozen=True, slots=True)
class OrphanRow:
    """What one run has left behind, and the session that it was of, if there still is one."""

    id: str
    address: str
    title: str
    orphans: Sequence[Orphan]
    more: int
    at: float
    usage: Usage


class RunsPage:
    def __init__(
        self,
        supervisor: Supervisor,
        lookup: SessionLookup,
        needs: AttentionList,
        census: ProcessMonitor,
        orphans: Orphans,
        monitor: LoopMonitor,
    ) -> None:
        self._supervisor = supervisor
        self._lookup = lookup
        self._needs = needs
        self._census = census
        self._orphans = orphans
        self._monitor = monitor

    def page(self) -> str:
        live, needs, left = self._supervisor.live(), self._needs.all(), self._orphans.found()
        needy = {need.run.id for need in needs}
        usages = self._census.usages([run.id for run in live])

        def row(run: Run, phase: str, status: str, at: float) -> RunRow:
            place = self._lookup.locations.of_run(run)
            tasks, more = listed_tasks(run)
            return RunRow(
                id=run.id,
                project_id=place.claude_folder,
                project_path=place.folder or "",
                session_id=run.record.session_id,
                title=self._lookup.title_of_run(run),
                phase=phase,
                status=status,
                at=at,
                live=run.live,
                usage=usages.get(run.id, Usage()),
                warnings=warnings_of(run),
                background=[(kind_of(task), task.description) for task in tasks],
                more=more,
            )

        return render_template(
            "attention/runs.html",
            health=self._monitor.health,
            room=self._supervisor.disk_guard.message,
            needs=[row(need.run, need.reason, need.text, need.at) for need in needs],
            runs=[
                row(run, run.phase, _status(run), run.record.created_at)
                for run in live
                if run.id not in needy
            ],
            left=[self._left(leftovers) for leftovers in left],
            stoppable=sum(run.phase is not Phase.STOPPING for run in live),
        )

    def _left(self, leftovers: OrphanGroup) -> OrphanRow:
        try:
            run = self._supervisor.get(leftovers.run_id)
        except RunNotFound:
            title, address = "A session that is gone", ""
        else:
            place = self._lookup.locations.of_run(run)
            address = url_for(
                "session_page.session", project_id=place.claude_folder, session_id=place.session_id
            )
            title = self._lookup.title_of_run(run)
        return OrphanRow(
            id=leftovers.run_id,
            address=address,
            title=title,
            orphans=leftovers.processes[:SHOWN_ORPHANS],
            more=len(leftovers.processes[SHOWN_ORPHANS:]),
            at=leftovers.at,
            usage=leftovers.usage,
        )


def blueprint(overview: RunsPage, supervisor: Supervisor, orphans: Orphans) -> Blueprint:
    pages = Blueprint("attention", __name__)

    @pages.get("/runs")
    def runs() -> str:
        return overview.page()

    @pages.get("/runs/badge")
    def badge() -> str:
        """The navigation's entries, as other pages keep their badges current."""
        return render_template("attention/nav_badge.html")

    @pages.post("/runs/stop-all")
    def stop_all() -> BaseResponse:
        """End every run, and what earlier ones have left behind."""
        _stop(supervisor.live())
        orphans.end_all()
        log_act(current_identity(), "leftovers.stop")
        return redirect(url_for(".runs"), 303)

    @pages.post("/runs/<run_id>/leftovers/stop")
    def stop_leftovers(run_id: str) -> BaseResponse:
        orphans.end(run_id)
        log_act(current_identity(), "leftovers.stop", run=run_id)
        return redirect(url_for(".runs"), 303)

    return pages


def _stop(runs: Iterable[Run]) -> None:
    for run in runs:
        with contextlib.suppress(RunNotLive):  # it was faster
            run.stop(by=current_identity())


def _status(run: Run) -> str:
    return ": ".join(filter(None, (status_text(run), about(run))))
