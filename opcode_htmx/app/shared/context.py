"""Make the services that all features share, and the jobs of the core."""

from __future__ import annotations

from functools import partial

from jinja2 import Environment

from opcode_htmx.app.shared import run_settings
from opcode_htmx.app.shared.claude_environment import ClaudeEnvironment
from opcode_htmx.app.shared.sessions import session_services
from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.files import session_listing
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.concurrency.jobs import Job, Jobs
from opcode_htmx.lib.concurrency.loop_monitor import BUSY, STALLS, LoopMonitor
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.metrics.store import MetricStore
from opcode_htmx.runs.following.first_token import FIRST_TOKEN
from opcode_htmx.runs.supervisor import Supervisor


def app_context(
    settings: Settings,
    claude: ClaudeEnvironment,
    state: StateDir,
    jobs: Jobs,
    templates: Environment,
    refusals: tuple[type[Exception], ...],
    metrics: MetricStore,
) -> AppContext:
    workspace = claude.workspace
    engine = run_settings.engine(
        settings, claude.binary.path, workspace.config_dir, claude.variables
    )
    capabilities = run_settings.capability_cache(settings, claude.binary, engine)
    runs = Supervisor(
        run_settings.of(
            settings,
            engine,
            workspace.folders,
            lambda: capabilities.models,
            lambda seconds, process: metrics.observe(FIRST_TOKEN, seconds, (process,)),
        )
    )
    jobs.add(Job("supervise the runs", runs.start, runs.close))
    # Its set-up must not delay the first request
    jobs.add(Job("watch the session files", _watch_session_files, lambda: None))
    monitor = LoopMonitor(partial(metrics.observe, STALLS), partial(metrics.add, BUSY))
    jobs.add(Job("watch for stalls of the event loop", monitor.start, monitor.stop))
    return AppContext(
        settings=settings,
        engine=engine,
        claude_path=claude.binary.path,
        workspace=workspace,
        runs=runs,
        events=runs.events,
        capabilities=capabilities,
        sessions=session_services(settings, claude, engine, state, jobs, templates, runs, refusals),
        state=state,
        jobs=jobs,
        monitor=monitor,
        metrics=metrics,
        refusals=refusals,
    )


def _watch_session_files() -> None:
    session_listing.watched()
