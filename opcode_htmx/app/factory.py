"""Build the app with all its features from the settings.

Order: the Claude CLI, the platform, the shared services, then each feature. Background work is
jobs, which the worker starts.
"""

from __future__ import annotations

import gc
import mimetypes
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module

import gevent
from flask import Blueprint, Flask, Response
from gevent.event import Event
from jinja2 import BytecodeCache, Environment

from opcode_htmx.app import (
    errors,
    feature_settings,
    platform,
    run_settings,
    state_folders,
    template_cache,
)
from opcode_htmx.app.claude_environment import ClaudeEnvironment, confirm, find_claude
from opcode_htmx.app.metrics import families as metric_families
from opcode_htmx.app.navigation import entries as navigation
from opcode_htmx.app.navigation import page_links
from opcode_htmx.app.operation import logs
from opcode_htmx.app.pairing import terminal
from opcode_htmx.app.platform import App
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.config import state_format, state_use
from opcode_htmx.config.settings import Settings
from opcode_htmx.config.state_use import StateUse
from opcode_htmx.engines.base import Engine
from opcode_htmx.engines.claude.files import history, session_listing
from opcode_htmx.engines.claude.files.lists import folder_summaries
from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.lib import resources
from opcode_htmx.lib.concurrency.cooperative import (
    run_cpu_in_thread,
    run_in_thread,
    yield_to_loop,
)
from opcode_htmx.lib.concurrency.jobs import Job, Jobs, every, once
from opcode_htmx.lib.concurrency.loop_monitor import BUSY, STALLS, LoopMonitor
from opcode_htmx.lib.files.state_dir import ensure_state_dir, make_private
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.metrics.store import MetricStore
from opcode_htmx.lib.tree.search import ProjectFiles
from opcode_htmx.markup import highlight, markdown
from opcode_htmx.rendering.fragments import load_macros
from opcode_htmx.runs.control.first_token import FIRST_TOKEN
from opcode_htmx.runs.model import line_reader
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
from opcode_htmx.web.assets.saved_templates import SavedTemplates, program
from opcode_htmx.web.http import forms, health
from opcode_htmx.web.origin.cors import API_FOLDERS
from opcode_htmx.web.rest.endpoint import Endpoint, register_endpoints
from opcode_htmx.web.server.url_rules import LateRoutes, all_or_nothing
from opcode_htmx.web.websocket.router import SocketRouter

KEEP_SECONDS = 3600.0


def build(settings: Settings | None = None, features: Sequence[Feature] = FEATURES) -> Flask:
    """The app, which takes over the runs of an earlier server.

    Raises SettingsError, StateError, BinaryNotFound, BinaryTooOld or DemoUnavailableError, each
    with a sentence for the person who starts the server.
    """
    settings = settings or Settings.from_env(feature_settings=feature_settings.of(features))
    state_use.check_restored(settings.state_dir)
    make_private(ensure_state_dir(settings.state_dir))
    state_format.claim(settings.state_dir)
    use = StateUse(settings.state_dir)
    use.check()
    logs.set_up(settings)
    line_reader.keep_lines_up_to(settings.max_line)
    claude = find_claude(settings)
    state = StateDir(settings.state_dir, state_folders.of(features))
    statuses = errors.of(features)
    jobs = Jobs()
    jobs.add(Job("hold the state folder", use.begin, use.end))
    metrics = MetricStore(state.folder("metrics"), metric_families.of(features))
    jobs.add(Job("keep the metrics", metrics.start, metrics.stop))

    folder_summaries.keep_in(state.folder("summaries"))
    keep = folder_summaries.save
    jobs.add(every(KEEP_SECONDS, "keep the summaries of session files", keep, keep))

    app = platform.make_app(features)
    saved = SavedTemplates(state.folder("templates"), cache(partial(program, resources.PACKAGE)))
    templates = app.jinja_env.bytecode_cache = app.jinja_env.bytecode_cache or saved
    router = platform.protect(app, settings, state, jobs, statuses, metrics)
    context = _context(settings, claude, state, jobs, app.jinja_env, tuple(statuses), metrics)
    app.jinja_env.globals["demo"] = claude.demo is not None
    app.jinja_env.globals["login_command"] = cli_binary.login_command(
        claude.binary, settings.child_environment.get("PATH", "")
    )
    app.jinja_env.globals["pair_command"] = terminal.program()
    app.extensions["opcode_shutdown"] = partial(
        _shut_down, context.runs, app.extensions["opcode_shutdown"]
    )
    for feature in features:
        _install(app, feature, context)
    _install_pages(app, features, context, router)
    _install_api(app, features, context, router)
    navigation.register(app, features, context)
    page_links.register(app, features, context)
    jobs.add(Job("deliver events of runs", context.events.start, context.events.close))
    if claude.unconfirmed:
        jobs.add(once("ask for Claude's login", partial(confirm, claude.unconfirmed)))
    jobs.add(_loading_of_later_pages(app))
    jobs.add(once("compile the templates", partial(_compile, templates, app, saved)))
    platform.stand_behind_proxies(app, settings)
    app.extensions["opcode_context"] = context
    app.extensions["opcode_jobs"] = jobs
    app.extensions["opcode_demo"] = claude.demo
    return app


def _context(
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
        sessions=_sessions(settings, claude, engine, state, jobs, templates, runs, refusals),
        state=state,
        jobs=jobs,
        monitor=monitor,
        metrics=metrics,
        refusals=refusals,
    )


def _sessions(
    settings: Settings,
    claude: ClaudeEnvironment,
    engine: Engine,
    state: StateDir,
    jobs: Jobs,
    templates: Environment,
    runs: Supervisor,
    refusals: tuple[type[Exception], ...],
) -> Sessions:
    config_dir = claude.workspace.config_dir
    options = OptionsPresenter(runs.options, settings.disconnect_grace)
    drafts = Drafts(state.folder("drafts"))
    positions = ReadPositions(state.folder("marks.json"))
    flags = SessionFlags(state.folder("flags.json"))
    jobs.add(Job("keep read positions", positions.begin, lambda: None))
    attention = AttentionList(runs, positions)
    schedules = ScheduleStore(state.folder("schedules"), state.folder("schedule_runs"))
    zone = zones.of_server(settings.child_environment.get("TZ", ""))
    later = LaterPanel(templates, PlannedPrompts(schedules, zone), runs.budgets)
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


def _loading_of_later_pages(app: Flask) -> Job:
    """After the first page, in a thread: what no start needs, and would block the next page.

    Without a visitor a server is 6 MB smaller.
    """
    is_asked = Event()

    @app.after_request
    def begin(response: Response) -> Response:
        if response.mimetype == "text/html":
            is_asked.set()
        return response

    def load() -> None:
        markdown.prepare()
        highlight.prepare()
        load_macros(app.jinja_env)
        mimetypes.init()  # reads the system's table of file types
        template_cache.give_back_memory()

    def work() -> None:
        is_asked.wait()
        run_in_thread(load)

    return once("load what later pages need", work)


def _compile(templates: BytecodeCache, app: App, saved: SavedTemplates) -> None:
    app.url_map.on_added = gc.freeze  # modules stay: each collection would look at them for 30 ms
    try:
        # Blueprints of pages add filters, without which templates cannot be compiled
        template_cache.fill(templates, app.jinja_env, before=partial(app.url_map.add_below, "/"))
    finally:  # also when the worker ends before
        saved.save()


def _install(app: Flask, feature: Feature, context: AppContext) -> None:
    if feature.at_start:
        feature.at_start(context, app)
    for job in feature.jobs(context):
        context.jobs.add(job)
    if feature.measure:
        context.metrics.measure_by(partial(feature.measure, context))
    for handlers, every_worker in ((feature.on, False), (feature.on_in_every_worker, True)):
        for kind, handler in handlers.items():
            context.events.subscribe(kind, partial(handler, context), every_worker=every_worker)


def _install_pages(
    app: App, features: Sequence[Feature], context: AppContext, router: SocketRouter
) -> None:
    """The pages of all features, when somebody asks for the first one.

    They are 200 modules: a fifth of what would be imported at the start.
    """

    def add() -> None:
        blueprints: list[Blueprint] = []
        for feature in features:
            blueprints += feature.routes(context)
            yield_to_loop()  # each imports its modules
        with all_or_nothing(app):  # should it fail, another request tries all of it once more
            for blueprint in blueprints:
                app.register_late(blueprint)
                yield_to_loop()
            for feature in features:
                if feature.sockets and not feature.late_sockets:
                    feature.sockets(context, router)

    app.url_map.add_late(("/",), add, known=(health.ADDRESS,))


def _install_api(
    app: App, features: Sequence[Feature], context: AppContext, router: SocketRouter
) -> None:
    """What programs use, and the document that describes it, when the first one asks.

    Their models are a quarter of all that would be imported at the start, and most people never use
    the API.
    """

    def add() -> None:
        # In a thread: with pydantic it would hold the loop for 75 ms
        run_cpu_in_thread(import_module, "opcode_htmx.api.schema.openapi")
        from opcode_htmx.api.schema.openapi import Description

        endpoints: list[Endpoint] = []
        for feature in features:
            endpoints += feature.endpoints(context)
            yield_to_loop()  # each may have to import its models
        described = Description(endpoints, context.settings.base_path).endpoints
        with all_or_nothing(app):
            for feature in features:
                if feature.late_sockets and feature.sockets:
                    feature.sockets(context, router)
            register_endpoints(LateRoutes(app, "api"), described)

    sockets = (folder for feature in features for folder in feature.late_sockets)
    app.url_map.add_late((*API_FOLDERS, *sockets), add)


def _shut_down(runs: Supervisor, close_sockets: Callable[[], None]) -> None:
    """The worker ends, and the runs go on, but for those that have no prompt."""
    ending = gevent.spawn(runs.warm_starts.close)
    close_sockets()
    ending.join()


def _watch_session_files() -> None:
    session_listing.watched()
