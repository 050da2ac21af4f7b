"""The page of all projects' sessions that need attention, of runs, and of orphaned processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence

from flask import Blueprint, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.context import once_a_request
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.processes.orphans import Orphan, OrphanGroup, Orphans
from opcode_htmx.runs.supervisor import RunNotFound, Supervisor
from opcode_htmx.sessions.attention import Reason, seen_until
from opcode_htmx.sessions.run_rows import KeptRows, RunRows, with_other_paths
from opcode_htmx.sessions.services import Sessions
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, session_address, whole_number
from opcode_htmx.web.http.way_back import lists_sessions

LONGEST_TIME = 14
"""Digits of a time in milliseconds."""
SHOWN_ORPHANS = 5
"""Of one run; the rest are only counted."""
SHOWN_SECONDS = 3.0
"""How long a page waits until what was stopped has ended: without a script it shows that once."""


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
        sessions: Sessions,
        orphans: Orphans,
    ) -> None:
        self._supervisor = supervisor
        self._lookup = sessions.lookup
        self.attention = sessions.attention
        self._orphans = orphans
        self._rows = RunRows(sessions.lookup, sessions.budgets)

    def page(self) -> str:
        live, attention = self._supervisor.live(), once_a_request(self.attention.all)
        orphans = self._orphans.found()
        attention_ids = {item.run.id for item in attention}
        rest = [run for run in live if run.id not in attention_ids]
        done = [item for item in attention if item.reason is Reason.DONE]
        needing = [item for item in attention if item.reason is not Reason.DONE]
        rows, others = self._rows.of([*needing, *done], rest)
        return render_template(
            "attention/runs.html",
            disk_message=self._supervisor.disk_guard.message,
            needs_you=rows[: len(needing)],
            runs=others,
            done=rows[len(needing) :],
            seen_until=seen_until(done),
            alike=with_other_paths([*rows, *others]),
            orphans=[self._orphan_row(group) for group in orphans],
            stoppable=sum(run.phase is not Phase.STOPPING for run in live),
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
    kept = KeptRows()

    @pages.record_once
    def add_kept_rows(state: BlueprintSetupState) -> None:
        state.app.jinja_env.globals["kept_rows"] = kept

    @pages.get("/runs")
    @lists_sessions("Running sessions")
    def runs() -> str:
        return page.page()

    @pages.get("/runs/badge")
    def badge() -> str:
        """The badges of the navigation, which other pages fetch to keep theirs current."""
        return render_template("attention/nav_badge.html")

    @pages.post("/runs/seen")
    def count_as_seen() -> BaseResponse:
        """Count as seen what was done when the page was shown, also where it has no row there."""
        until = whole_number(request.form.get("until", ""), LONGEST_TIME)
        if until is None:
            raise BadForm("This list is out of date. Load the page again.")
        page.attention.count_as_seen(until / 1000)
        return redirect(url_for("home.page" if "home" in request.args else ".runs"), 303)

    @pages.post("/runs/stop-all")
    def stop_all() -> BaseResponse:
        """End every run, and the orphaned processes of earlier ones."""
        until = time.monotonic() + SHOWN_SECONDS
        runs = (*supervisor.live(), *supervisor.unused())
        _stop(runs)
        orphans.end_all()
        log_act(current_identity(), "leftovers.stop")
        for run in runs:
            run.join(max(0.0, until - time.monotonic()))
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
