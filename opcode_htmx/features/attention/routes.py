"""The page of all projects' sessions that need attention, of runs, and of orphaned processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.rendering.activity_text import request_text
from opcode_htmx.rendering.fragments import dom_id
from opcode_htmx.rendering.permission_details import BriefRequest, brief
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.processes.orphans import Orphan, OrphanGroup, Orphans
from opcode_htmx.runs.supervisor import RunNotFound, Supervisor
from opcode_htmx.sessions.attention import AttentionList, Reason
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.status_panel import (
    about,
    kind_of,
    listed_tasks,
    status_text,
    warnings_of,
)
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import session_address, session_url
from opcode_htmx.web.http.way_back import lists_sessions

ASKING = "Waiting for your answer"
SHOWN_ORPHANS = 5
"""Of one run; the rest are only counted."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A row of the list: a session, by its newest run; `at` is a Unix time."""

    id: str
    address: str
    """The session's page: at the top of what it asks, or at its end."""
    project_id: str
    project: str
    """The name of its folder."""
    project_path: str
    title: str
    phase: str
    status: str
    at: float
    live: bool
    is_at_rest: bool
    """Whether its process waits for a prompt, so that there is nothing to stop."""
    subject: str = ""
    """What it asks about, in a few words."""
    brief: BriefRequest | None = None
    """What it asks, if the row can show all of that."""
    warnings: Sequence[str] = ()
    background: Sequence[tuple[str, str]] = ()
    """The tasks that run beside Claude's turns: kind and description."""
    more: int = 0
    """The number of further tasks."""


@dataclass(frozen=True, slots=True)
class OrphanRow:
    """The orphaned processes of one run, and its session, if that still exists."""

    id: str
    address: str
    title: str
    orphans: Sequence[Orphan]
    more: int
    at: float


class RunsPage:
    """Renders the page of running sessions."""

    def __init__(
        self,
        supervisor: Supervisor,
        lookup: SessionLookup,
        attention: AttentionList,
        orphans: Orphans,
    ) -> None:
        self._supervisor = supervisor
        self._lookup = lookup
        self._attention = attention
        self._orphans = orphans

    def page(self) -> str:
        live, attention = self._supervisor.live(), self._attention.all()
        orphans = self._orphans.found()
        attention_ids = {item.run.id for item in attention}
        rows = [
            self._row(item.run, item.reason, item.text, item.at, asks=item.reason is Reason.ASKS)
            for item in attention
        ]
        others = [
            self._row(run, run.phase, _status(run), run.record.created_at)
            for run in live
            if run.id not in attention_ids
        ]
        return render_template(
            "attention/runs.html",
            disk_message=self._supervisor.disk_guard.message,
            attention=rows,
            runs=others,
            alike=_with_other_paths([*rows, *others]),
            orphans=[self._orphan_row(group) for group in orphans],
            stoppable=sum(run.phase is not Phase.STOPPING for run in live),
        )

    def _row(self, run: Run, phase: str, status: str, at: float, *, asks: bool = False) -> RunRow:
        location = self._lookup.locations.of_run(run)
        tasks, more = listed_tasks(run)
        request = next(iter(run.state.asks.values()), None) if asks else None
        short = brief(request, location.folder) if request and location.folder else None
        return RunRow(
            id=run.id,
            address=session_url(
                location.claude_folder,
                location.session_id,
                dom_id(request.request_id) if request else "end",
            ),
            project_id=self._lookup.locations.project_id(location) or location.claude_folder,
            project=location.project_name,
            project_path=location.folder or "",
            title=self._lookup.title_of_run(run),
            phase=phase,
            status=ASKING if request else status,
            at=at,
            live=run.live,
            is_at_rest=run.phase is Phase.IDLE and not tasks,
            subject=_capitalized(request_text(request)) if request else "",
            brief=short,
            warnings=warnings_of(run),
            background=[(kind_of(task), task.description) for task in tasks],
            more=more,
        )

    def _orphan_row(self, group: OrphanGroup) -> OrphanRow:
        try:
            run = self._supervisor.get(group.run_id)
        except RunNotFound:
            title, address = "A session that is gone", ""
        else:
            location = self._lookup.locations.of_run(run)
            address = session_address(location.claude_folder, location.session_id)
            title = self._lookup.title_of_run(run)
        return OrphanRow(
            id=group.run_id,
            address=address,
            title=title,
            orphans=group.processes[:SHOWN_ORPHANS],
            more=len(group.processes[SHOWN_ORPHANS:]),
            at=group.at,
        )


def blueprint(page: RunsPage, supervisor: Supervisor, orphans: Orphans) -> Blueprint:
    pages = Blueprint("attention", __name__)

    @pages.get("/runs")
    @lists_sessions("Running sessions")
    def runs() -> str:
        return page.page()

    @pages.get("/runs/badge")
    def badge() -> str:
        """The badges of the navigation, which other pages fetch to keep theirs current."""
        return render_template("attention/nav_badge.html")

    @pages.post("/runs/stop-all")
    def stop_all() -> BaseResponse:
        """End every run, and the orphaned processes of earlier ones."""
        _stop((*supervisor.live(), *supervisor.unused()))
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
        with contextlib.suppress(RunNotLive):  # it ended first
            run.stop(by=current_identity())


def _status(run: Run) -> str:
    return ": ".join(filter(None, (status_text(run), about(run))))


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _with_other_paths(rows: Iterable[RunRow]) -> set[str]:
    """The names that several of the rows' folders share: only their paths tell them apart."""
    paths: dict[str, set[str]] = {}
    for row in rows:
        paths.setdefault(row.project, set()).add(row.project_path)
    return {name for name, found in paths.items() if len(found) > 1}
