"""The page of the server: how quickly it answers, and what Claude uses of the machine."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, render_template

from opcode_htmx.lib.concurrency.loop_monitor import LoopMonitor
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.processes.orphans import OrphanGroup, Orphans
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.usage import Usage
from opcode_htmx.runs.supervisor import RunNotFound, Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.web.http.forms import session_url
from opcode_htmx.web.http.way_back import lists_sessions


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one session uses; `address` is empty if the session is gone."""

    id: str
    address: str
    project: str
    """The name of its folder."""
    title: str
    usage: Usage
    is_left_behind: bool
    """Whether Claude has ended, and something that it had started goes on."""


class ServerPage:
    """Renders the page."""

    def __init__(
        self,
        supervisor: Supervisor,
        lookup: SessionLookup,
        processes: ProcessMonitor,
        orphans: Orphans,
        monitor: LoopMonitor,
    ) -> None:
        self._supervisor = supervisor
        self._lookup = lookup
        self._processes = processes
        self._orphans = orphans
        self._monitor = monitor

    def page(self) -> str:
        live, left = self._supervisor.live(), self._orphans.found()
        usages = self._processes.usages([run.id for run in live])
        rows = [self._row(run, usages.get(run.id, Usage())) for run in live]
        rows += [self._row_of_left(group) for group in left]
        rows = [row for row in rows if row.usage.processes]
        return render_template(
            "server/server.html",
            health=self._monitor.health,
            disk_message=self._supervisor.disk_guard.message,
            rows=sorted(rows, key=lambda row: -row.usage.memory_bytes),
            total=_sum(row.usage for row in rows),
        )

    def _row(self, run: Run, usage: Usage, *, is_left_behind: bool = False) -> UsageRow:
        location = self._lookup.locations.of_run(run)
        return UsageRow(
            id=run.id,
            address=session_url(location.claude_folder, location.session_id),
            project=location.project_name,
            title=self._lookup.title_of_run(run),
            usage=usage,
            is_left_behind=is_left_behind,
        )

    def _row_of_left(self, group: OrphanGroup) -> UsageRow:
        try:
            run = self._supervisor.get(group.run_id)
        except RunNotFound:
            return UsageRow(group.run_id, "", "", "A session that is gone", group.usage, True)
        return self._row(run, group.usage, is_left_behind=True)


def blueprint(page: ServerPage) -> Blueprint:
    pages = Blueprint("server", __name__)

    @pages.get("/server", endpoint="page")
    @lists_sessions("Server")
    def server() -> str:
        return page.page()

    return pages


def _sum(usages: Iterable[Usage]) -> Usage:
    each = list(usages)
    return Usage(
        memory_bytes=sum(usage.memory_bytes for usage in each),
        cpu_percent=sum(usage.cpu_percent for usage in each),
        processes=sum(usage.processes for usage in each),
    )
