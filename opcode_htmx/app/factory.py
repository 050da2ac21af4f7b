"""The composition root: settings in, the app with all its features out."""

from __future__ import annotations

import logging
from pathlib import Path

from flask import Flask
from flask_sock import Sock

from opcode_htmx.api.rest import catalog, chat_sessions
from opcode_htmx.api.rest import health as api_health
from opcode_htmx.api.rest import projects as api_projects
from opcode_htmx.api.rest import runs as api_sessions
from opcode_htmx.api.rest import settings as api_settings
from opcode_htmx.api.schema import envelope, openapi
from opcode_htmx.api.service.chats import Chats, ChatStore
from opcode_htmx.api.service.deferred_rename import DeferredRename
from opcode_htmx.api.service.run_service import NotStopped, RunService, SessionExists
from opcode_htmx.api.sockets import chat_socket, claude_socket
from opcode_htmx.api.sockets.session_lines import BadCursor
from opcode_htmx.api.sockets.tasks import TaskServices
from opcode_htmx.app import run_settings
from opcode_htmx.config import credentials
from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.config import mcp_config, user_config
from opcode_htmx.engines.claude.demo import scenarios, service
from opcode_htmx.engines.claude.files import (
    fork,
    history,
    session_listing,
    sessions,
)
from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.engines.claude.install.installations import Installations
from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.engines.claude.trust import record
from opcode_htmx.features.attention import routes as attention
from opcode_htmx.features.composer import (
    attachments,
    completion,
    forks,
    new_session,
    prompts,
)
from opcode_htmx.features.composer import routes as composer
from opcode_htmx.features.composer.project_files import ProjectFiles
from opcode_htmx.features.permissions import routes as permissions
from opcode_htmx.features.project_trust import routes as project_trust
from opcode_htmx.features.projects import routes as projects
from opcode_htmx.features.session_admin import begin_again, exports
from opcode_htmx.features.session_admin import routes as session_admin
from opcode_htmx.features.session_options import routes as session_options
from opcode_htmx.features.session_page import (
    canonical,
    images,
    live_updates,
    snapshots,
)
from opcode_htmx.features.session_page import routes as session_page
from opcode_htmx.lib import resources
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.files.state_dir import ensure_state_dir, make_private
from opcode_htmx.lib.loop_monitor import LoopMonitor
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.runs.control.control_requests import ControlRefused
from opcode_htmx.runs.control.launcher import CannotStart, FolderNotAllowed
from opcode_htmx.runs.control.prompt_queue import PromptNotFound, PromptTaken
from opcode_htmx.runs.control.run import AlreadyAnswered, RunNotLive
from opcode_htmx.runs.model import line_reader
from opcode_htmx.runs.model.permission_updates import BypassNotAllowed
from opcode_htmx.runs.policies.limit_monitor import QueueFull
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.policies.working_folders import InvalidFolder
from opcode_htmx.runs.processes.claude_process import census
from opcode_htmx.runs.processes.orphans import NoOrphans, Orphans
from opcode_htmx.runs.supervisor import RunNotFound, StillRunning, Supervisor
from opcode_htmx.sessions.attention import AttentionList
from opcode_htmx.sessions.drafts import Drafts, DraftTooLarge
from opcode_htmx.sessions.lookup import NoHistory, SessionLookup
from opcode_htmx.sessions.options.form import OptionsPresenter
from opcode_htmx.sessions.read_positions import ReadPositions
from opcode_htmx.sessions.retention import Retention
from opcode_htmx.sessions.session_places import FolderUnknown, SessionLocations
from opcode_htmx.sessions.trash import NotInTrash, Trash
from opcode_htmx.sessions.views import SessionViews
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.auth import (
    gate,
    logins,
    logouts,
    rate_limit,
    tokens,
    visitors,
)
from opcode_htmx.web.http import (
    compress,
    errors,
    filters,
    forms,
    headers,
    request_body,
    responses,
)
from opcode_htmx.web.origin import sources
from opcode_htmx.web.websocket import registry

MAX_FORM_BYTES = 4 * 1024 * 1024

ERRORS: dict[type[Exception], int] = {
    sessions.ProjectNotFound: 404,
    sessions.SessionNotFound: 404,
    sessions.SeveralProjects: 409,
    FolderUnknown: 409,
    InvalidFolder: 422,
    forms.BadForm: 422,
    envelope.InvalidRequest: 422,
    user_config.UserFileError: 422,
    RunNotFound: 404,
    PromptNotFound: 404,
    PromptTaken: 409,
    DraftTooLarge: 413,
    RunNotLive: 409,
    AlreadyAnswered: 409,
    ControlRefused: 409,
    BypassNotAllowed: 403,
    CannotStart: 503,
    TrustNeeded: 409,
    record.TrustNotRecorded: 503,
    FolderNotAllowed: 422,
    StillRunning: 409,
    NotInTrash: 404,
    NoOrphans: 409,
    SessionExists: 409,
    NotStopped: 503,
    DiskFull: 507,
    QueueFull: 429,
    BadCursor: 422,
    fork.NothingToFork: 409,
    fork.InMidWork: 409,
    NoHistory: 409,
}


def build(settings: Settings | None = None) -> Flask:
    """The app, with the runs that an earlier server left taken over.

    Raises SettingsError, StateError, BinaryNotFound, BinaryTooOld or DemoUnavailableError, each
    with a sentence for the person who starts the server.
    """
    settings = settings or Settings.from_env()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    make_private(ensure_state_dir(settings.state_dir))
    line_reader.keep_lines_up_to(settings.max_line)
    path = settings.child_environment.get("PATH", "")
    claude = cli_binary.find(settings.claude_path, path, settings.home)
    demo = _demo(settings, claude)
    place = Workspace(
        config_dir=demo.config_dir if demo else settings.claude_config_dir,
        project_roots=settings.project_roots,
        sample_project=demo.sample_project if demo else None,
        suggestions=scenarios.SUGGESTIONS if demo else (),
        named_task_folder=settings.task_folder,
    )
    environment = settings.child_environment
    if demo:
        environment = argv.environment(environment, demo.environment, demo.removed)
    config_dir, allowed = place.config_dir, place.folders
    offers = run_settings.offers(settings, claude, config_dir, environment)
    supervisor = Supervisor(
        run_settings.of(
            settings, claude.path, config_dir, environment, allowed, lambda: offers.models
        )
    )
    supervisor.adopt()
    session_listing.watched()  # what it takes to set up need not hold up the first request

    app = Flask(__name__, root_path=str(resources.FOLDER))
    app.request_class = request_body.Request
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_FORM_BYTES
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["demo"] = demo is not None
    app.jinja_env.globals["login_command"] = cli_binary.login_command(claude, path)
    # The lease on the demo's API lasts as long as the app.
    app.extensions["opcode_demo"] = demo
    app.extensions["opcode_supervisor"] = supervisor
    app.extensions["opcode_stalls"] = stalls = LoopMonitor()
    app.jinja_env.globals["health"] = lambda: stalls.health
    app.register_blueprint(api_health.blueprint(stalls))
    attachments.register(app)
    _protect(app, settings)
    chooser = OptionsPresenter(supervisor.choosing, settings.disconnect_grace)
    _add_pages(app, place, supervisor, chooser, offers, settings)
    return app


def _demo(settings: Settings, claude: cli_binary.Binary) -> service.DemoEnvironment | None:
    """The demo, if it is asked for or Claude is not logged in."""
    wanted = settings.demo
    if wanted is None:
        wanted = not cli_binary.logged_in(claude, settings.child_environment)
    return service.ensure_running(settings.state_dir / "demo") if wanted else None


def _protect(app: Flask, settings: Settings) -> None:
    user, password = settings.user, credentials.password(settings)
    issued = tokens.Tokens(credentials.secret_key(settings), user, password)
    kept = logins.Logins(
        settings.state_dir / "logins",
        issued.credentials,
        settings.login_lifetime,
        settings.login_idle,
    )
    app.extensions["opcode_logins"] = kept
    failures = rate_limit.RateLimiter(settings.state_dir / "login_failures", kept.networks)
    gate.AuthGate(
        visitors.Visitors(user, password, issued, kept, failures),
        sources.Sources(settings.allowed_origins, settings.allowed_hosts),
    ).init_app(app)
    errors.register(app, ERRORS)
    headers.register(app)
    responses.register(app)
    compress.register(app)


def _add_pages(
    app: Flask,
    place: Workspace,
    supervisor: Supervisor,
    chooser: OptionsPresenter,
    offers: CapabilityCache,
    settings: Settings,
) -> None:
    filters.register(app)
    state = settings.state_dir
    drafts = Drafts(state / "drafts")
    marks = ReadPositions(state / "marks.json")
    trash = Trash(state / "trash", supervisor, state / "drafts")
    app.extensions["opcode_collector"] = Retention(
        state,
        supervisor,
        lambda session_id: history.find(place.config_dir, session_id),
        settings.keep_runs,
        changed=lambda session_id: screens.forget(session_id),
        also=trash.purge,
    )
    needs = AttentionList(supervisor, marks)
    app.jinja_env.globals["needs_count"] = lambda: len(needs.all())
    # Asked for in a template, because what is to choose changes with every run
    app.jinja_env.globals["options_of"] = chooser.view
    screens = SessionViews(supervisor, place.config_dir, app.jinja_env, chooser, drafts, needs)
    places = SessionLocations(place.config_dir, supervisor)
    canonical.register(app, places)
    lookup = SessionLookup(place.config_dir, places, screens, forms.session_address)
    files = ProjectFiles(settings.child_environment)
    app.register_blueprint(projects.blueprint(place.config_dir, trash))
    app.register_blueprint(session_page.blueprint(place, lookup, marks, supervisor.leaving, offers))
    left = Orphans(census, state / "runs", lambda: {run.id for run in supervisor.live()})
    shown = attention.RunsPage(supervisor, lookup, needs, census, left)
    app.register_blueprint(attention.blueprint(shown, supervisor, left))
    beginnings = new_session.NewSessionPage(place, drafts, offers)
    app.register_blueprint(new_session.blueprint(beginnings, place, drafts, offers, chooser, files))
    taken_along = exports.Exports(lookup, screens, resources.STATIC)
    app.register_blueprint(session_admin.blueprint(lookup, screens, marks, trash, taken_along))
    app.register_blueprint(forks.blueprint(beginnings, lookup, drafts, supervisor))
    app.register_blueprint(session_admin.trash_blueprint(screens, trash))
    app.register_blueprint(images.blueprint(lookup))
    app.register_blueprint(prompts.blueprint(beginnings, supervisor, lookup, drafts))
    app.register_blueprint(project_trust.blueprint(place, supervisor, lookup, drafts))
    project_trust.register(app, lookup)
    app.register_blueprint(composer.blueprint(supervisor, lookup, drafts))
    app.register_blueprint(
        completion.blueprint(place.config_dir, supervisor, lookup, offers, files, place.folders)
    )
    app.register_blueprint(begin_again.blueprint(supervisor, lookup, settings.stop_deadline))
    app.register_blueprint(permissions.blueprint(supervisor, lookup))
    app.register_blueprint(session_options.blueprint(supervisor.choosing, lookup))
    open_sockets = registry.OpenSockets(settings.viewer_timeout, settings.max_viewers)
    open_sockets.init_app(app)
    kept: logins.Logins = app.extensions["opcode_logins"]
    app.extensions["opcode_logouts"] = logouts.LogoutWatcher(
        kept.folder, open_sockets.logins, lambda login: bool(kept.get(login)), open_sockets.close_of
    )
    sock = Sock(app)
    frames = snapshots.FrameScheduler(app, app.extensions["opcode_stalls"].recently_busy)
    live_updates.register(sock, lookup, open_sockets, supervisor.leaving, frames)
    executions = RunService(supervisor, places, place, settings.stop_deadline)
    _add_reading(app, place, lookup, executions, settings, supervisor.binary)
    _add_running(app, sock, open_sockets, executions, place, lookup, taken_along, settings)


def _add_running(
    app: Flask,
    sock: Sock,
    open_sockets: registry.OpenSockets,
    executions: RunService,
    place: Workspace,
    lookup: SessionLookup,
    taken_along: exports.Exports,
    settings: Settings,
) -> None:
    """What programs start, steer and hear: the API's runs, and its sockets."""
    supervisor, refusals = executions.supervisor, tuple(ERRORS)
    app.register_blueprint(api_sessions.blueprint(supervisor, executions, census))
    naming = DeferredRename(lambda session_id: history.find(place.config_dir, session_id))
    tasks = TaskServices(supervisor, naming, place.task_folder, settings.task_timeout)
    claude_socket.register(
        sock, open_sockets, executions, supervisor, supervisor.leaving, refusals, tasks
    )
    store = ChatStore(settings.state_dir / "chats")
    chats = Chats(store, supervisor, executions, lookup, place, naming)
    app.register_blueprint(chat_sessions.blueprint(chats, taken_along))
    chat_socket.register(sock, open_sockets, chats, refusals)


def _add_reading(
    app: Flask,
    place: Workspace,
    lookup: SessionLookup,
    executions: RunService,
    settings: Settings,
    claude: Path,
) -> None:
    """What the API reads of Claude's files, and writes into them without a run."""
    config_dir, demo = place.config_dir, place.sample_project
    installed = Installations(
        settings.claude_path, settings.child_environment.get("PATH", ""), settings.home
    )
    moved = demo is not None or "CLAUDE_CONFIG_DIR" in settings.child_environment
    state_file = mcp_config.state_file(config_dir, settings.home, moved)
    app.register_blueprint(api_projects.blueprint(config_dir, executions, lookup))
    app.register_blueprint(api_settings.blueprint(config_dir, claude, installed))
    app.register_blueprint(catalog.blueprint(place, state_file))
    app.register_blueprint(openapi.blueprint())
