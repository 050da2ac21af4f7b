"""Make what several features need about sessions."""

from __future__ import annotations

from functools import partial

from jinja2 import Environment

from opcode_htmx.app.shared import run_settings
from opcode_htmx.app.shared.claude_environment import ClaudeEnvironment
from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.base import Engine
from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib import resources
from opcode_htmx.lib.concurrency.jobs import Job, Jobs, every
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.tree.search import ProjectFiles
from opcode_htmx.runs.processes.claude_process import MONITOR
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.attention import AttentionList
from opcode_htmx.sessions.changes.counts import ChangedCounts
from opcode_htmx.sessions.checkpoints import made as checkpoints_made
from opcode_htmx.sessions.dev_servers.servers import DevServers
from opcode_htmx.sessions.dev_servers.signs import DevServerSigns
from opcode_htmx.sessions.export.exporter import SessionExporter
from opcode_htmx.sessions.index.reader import IndexReader
from opcode_htmx.sessions.index.service import DATABASE
from opcode_htmx.sessions.locations import SessionLocations
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.schedules import zones
from opcode_htmx.sessions.schedules.agents import ScheduledAgents
from opcode_htmx.sessions.schedules.later_panel import LaterPanel
from opcode_htmx.sessions.schedules.planned import PlannedPrompts
from opcode_htmx.sessions.schedules.session_budgets import SessionBudgets
from opcode_htmx.sessions.schedules.store import ScheduleStore
from opcode_htmx.sessions.services import Sessions
from opcode_htmx.sessions.storage import retention
from opcode_htmx.sessions.storage.drafts import Drafts
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.session_flags import SessionFlags
from opcode_htmx.sessions.storage.survey import Surveyor
from opcode_htmx.sessions.storage.trash import Trash
from opcode_htmx.sessions.submit import PromptSubmitter
from opcode_htmx.sessions.views import SessionViews
from opcode_htmx.sessions.worktrees.files import CopyFiles
from opcode_htmx.sessions.worktrees.service import CopyServices, SessionWorktrees
from opcode_htmx.web.http import forms


def session_services(
    settings: Settings,
    claude: ClaudeEnvironment,
    engine: Engine,
    state: StateDir,
    jobs: Jobs,
    templates: Environment,
    runs: Supervisor,
    refusals: tuple[type[Exception], ...],
) -> Sessions:
    """The services of one app, whose jobs are added to `jobs`; `refusals` as in AppContext."""
    config_dir = claude.workspace.config_dir
    options = OptionsPresenter(runs.options, settings.disconnect_grace)
    drafts = Drafts(state.folder("drafts"))
    positions = ReadPositions(state.folder("marks.json"))
    flags = SessionFlags(state.folder("flags.json"))
    jobs.add(Job("keep read positions", positions.begin, lambda: None))
    attention = AttentionList(runs, positions, flags)
    schedules = ScheduleStore(state.folder("schedules"), state.folder("schedule_runs"))
    zone = zones.of_server(settings.child_environment.get("TZ", ""))
    budgets = SessionBudgets(runs.budgets, schedules)
    later = LaterPanel(templates, PlannedPrompts(schedules, zone), budgets)
    changed = ChangedCounts()
    dev_servers = DevServers(runs, MONITOR)
    signs = DevServerSigns(
        partial(dev_servers.all, max_age=0.0),
        running=lambda: {run.record.session_id for run in runs.live()},
        viewed=runs.viewers.viewed_here,
        notify=lambda session_id: runs.changes(session_id).notify(),
    )
    views = SessionViews(
        runs, config_dir, templates, options, drafts, attention, later, changed, signs
    )
    locations = SessionLocations(config_dir, runs)
    collector = retention.Retention(
        state, runs, partial(history.find, config_dir), settings.keep_runs, views.forget, flags
    )
    jobs.add(every(retention.EVERY_SECONDS, "remove old runs", collector.collect))
    checkpoints, automatic = checkpoints_made.services(
        settings, claude.workspace, state, engine, runs
    )
    lookup = SessionLookup(config_dir, locations, views, forms.session_address)
    submitter = PromptSubmitter(runs, locations, automatic.before_prompt)
    environment = settings.child_environment
    copies = CopyServices(runs, submitter, claude.workspace, environment, refusals)
    return Sessions(
        lookup=lookup,
        locations=locations,
        views=views,
        submitter=submitter,
        exporter=SessionExporter(lookup, views, resources.STATIC),
        drafts=drafts,
        read_positions=positions,
        flags=flags,
        attention=attention,
        options=options,
        budgets=budgets,
        schedules=schedules,
        scheduled_agents=ScheduledAgents(),
        trash=Trash(state, runs, flags.forget),
        surveyor=Surveyor(config_dir, state),
        index=IndexReader(state.folder("index") / DATABASE, history.root(config_dir)),
        changed_counts=changed,
        dev_servers=dev_servers,
        checkpoints=checkpoints,
        automatic_checkpoints=automatic,
        configuration=run_settings.configuration(settings, claude, engine, state, runs),
        project_files=ProjectFiles(settings.child_environment),
        worktrees=SessionWorktrees(copies, CopyFiles.of(state)),
    )
