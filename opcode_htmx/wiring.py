"""The only wiring: settings in, the app with all its rooms out."""

from __future__ import annotations

import logging
from pathlib import Path

from flask import Flask
from flask_sock import Sock

from opcode_htmx import credentials, run_settings
from opcode_htmx.api import (
    catalog,
    chat,
    chat_socket,
    claude_socket,
    envelope,
    openapi,
)
from opcode_htmx.api import health as api_health
from opcode_htmx.api import projects as api_projects
from opcode_htmx.api import sessions as api_sessions
from opcode_htmx.api import settings as api_settings
from opcode_htmx.api.chats import Chats, ChatStore
from opcode_htmx.api.executions import Executions, NotStopped, SessionExists
from opcode_htmx.api.lines import BadCursor
from opcode_htmx.api.naming import Naming
from opcode_htmx.api.tasks import TaskRoom
from opcode_htmx.claude import (
    binary,
    command,
    folders,
    fork,
    history,
    mcp,
    sessions,
    trust_record,
    user_files,
)
from opcode_htmx.claude.files import ProjectFiles
from opcode_htmx.claude.installations import Installations
from opcode_htmx.claude.working_folder import InvalidFolder
from opcode_htmx.demo import scenes, service
from opcode_htmx.disk import DiskFull
from opcode_htmx.drafts import Drafts, TooMuch
from opcode_htmx.runs import tail
from opcode_htmx.runs.collect import Collector
from opcode_htmx.runs.control import ControlRefused
from opcode_htmx.runs.limits import QueueFull
from opcode_htmx.runs.offers import Offers
from opcode_htmx.runs.orphans import NothingLeft, Orphans
from opcode_htmx.runs.permission_updates import BypassNotAllowed
from opcode_htmx.runs.process import census
from opcode_htmx.runs.queue import PromptNotFound, PromptTaken
from opcode_htmx.runs.run import AlreadyAnswered, RunNotLive
from opcode_htmx.runs.session_places import FolderUnknown, SessionPlaces
from opcode_htmx.runs.starting import CannotStart, FolderNotAllowed
from opcode_htmx.runs.supervisor import RunNotFound, StillRunning, Supervisor
from opcode_htmx.runs.trash import NotInTrash, Trash
from opcode_htmx.runs.trust import TrustNeeded
from opcode_htmx.settings import Settings
from opcode_htmx.stalls import Stalls
from opcode_htmx.state import ensure_state_dir, make_private
from opcode_htmx.view.lookup import NoHistory, SessionLookup
from opcode_htmx.view.marks import Marks
from opcode_htmx.view.needs import Needs
from opcode_htmx.view.options import Chooser
from opcode_htmx.view.screens import Screens
from opcode_htmx.view.workspace import Workspace
from opcode_htmx.web import (
    access,
    attachments,
    begin_again,
    beginning,
    browse,
    canonical,
    completion,
    composer,
    compress,
    controls,
    decisions,
    errors,
    exports,
    filters,
    forks,
    forms,
    headers,
    live,
    logins,
    logouts,
    manage,
    overview,
    pages,
    pictures,
    prompts,
    request_body,
    responses,
    showing,
    sockets,
    sources,
    throttle,
    tokens,
    trust,
    visitors,
)

ROOT = Path(__file__).parent.parent
MAX_FORM_BYTES = 4 * 1024 * 1024

ERRORS: dict[type[Exception], int] = {
    sessions.ProjectNotFound: 404,
    sessions.SessionNotFound: 404,
    sessions.SeveralProjects: 409,
    FolderUnknown: 409,
    InvalidFolder: 422,
    forms.BadForm: 422,
    envelope.InvalidRequest: 422,
    user_files.UserFileError: 422,
    RunNotFound: 404,
    PromptNotFound: 404,
    PromptTaken: 409,
    TooMuch: 413,
    RunNotLive: 409,
    AlreadyAnswered: 409,
    ControlRefused: 409,
    BypassNotAllowed: 403,
    CannotStart: 503,
    TrustNeeded: 409,
    trust_record.TrustNotRecorded: 503,
    FolderNotAllowed: 422,
    StillRunning: 409,
    NotInTrash: 404,
    NothingLeft: 409,
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
    tail.keep_lines_up_to(settings.max_line)
    path = settings.child_environment.get("PATH", "")
    claude = binary.find(settings.claude_path, path, settings.home)
    demo = _demo(settings, claude)
    place = Workspace(
        config_dir=demo.config_dir if demo else settings.claude_config_dir,
        project_roots=settings.project_roots,
        sample_project=demo.sample_project if demo else None,
        suggestions=scenes.SUGGESTIONS if demo else (),
        named_task_folder=settings.task_folder,
    )
    environment = settings.child_environment
    if demo:
        environment = command.environment(environment, demo.environment, demo.removed)
    config_dir, allowed = place.config_dir, place.folders
    offers = run_settings.offers(settings, claude, config_dir, environment)
    supervisor = Supervisor(
        run_settings.of(
            settings, claude.path, config_dir, environment, allowed, lambda: offers.models
        )
    )
    supervisor.adopt()
    folders.watched()  # what it takes to set up need not hold up the first request

    app = Flask(__name__, root_path=str(ROOT))
    app.request_class = request_body.Request
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_FORM_BYTES
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["demo"] = demo is not None
    app.jinja_env.globals["login_command"] = binary.login_command(claude, path)
    # The lease on the demo's API lasts as long as the app.
    app.extensions["opcode_demo"] = demo
    app.extensions["opcode_supervisor"] = supervisor
    app.extensions["opcode_stalls"] = stalls = Stalls()
    app.jinja_env.globals["health"] = lambda: stalls.health
    app.register_blueprint(api_health.blueprint(stalls))
    attachments.register(app)
    _protect(app, settings)
    chooser = Chooser(supervisor.choosing, settings.disconnect_grace)
    _add_pages(app, place, supervisor, chooser, offers, settings)
    return app


def _demo(settings: Settings, claude: binary.Binary) -> service.DemoEnvironment | None:
    """The demo, if it is asked for or Claude is not logged in."""
    wanted = settings.demo
    if wanted is None:
        wanted = not binary.logged_in(claude, settings.child_environment)
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
    failures = throttle.Throttle(settings.state_dir / "login_failures", kept.networks)
    access.Access(
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
    chooser: Chooser,
    offers: Offers,
    settings: Settings,
) -> None:
    filters.register(app)
    state = settings.state_dir
    drafts = Drafts(state / "drafts")
    marks = Marks(state / "marks.json")
    trash = Trash(state / "trash", supervisor, state / "drafts")
    app.extensions["opcode_collector"] = Collector(
        state,
        supervisor,
        lambda session_id: history.find(place.config_dir, session_id),
        settings.keep_runs,
        changed=lambda session_id: screens.forget(session_id),
        also=trash.purge,
    )
    needs = Needs(supervisor, marks)
    app.jinja_env.globals["needs_count"] = lambda: len(needs.all())
    # Asked for in a template, because what is to choose changes with every run
    app.jinja_env.globals["options_of"] = chooser.view
    screens = Screens(supervisor, place.config_dir, app.jinja_env, chooser, drafts, needs)
    places = SessionPlaces(place.config_dir, supervisor)
    canonical.register(app, places)
    lookup = SessionLookup(place.config_dir, places, screens, forms.session_address)
    files = ProjectFiles(settings.child_environment)
    app.register_blueprint(browse.blueprint(place.config_dir, trash))
    app.register_blueprint(pages.blueprint(place, lookup, marks, supervisor.leaving, offers))
    left = Orphans(census, state / "runs", lambda: {run.id for run in supervisor.live()})
    shown = overview.Overview(supervisor, lookup, needs, census, left)
    app.register_blueprint(overview.blueprint(shown, supervisor, left))
    beginnings = beginning.Beginnings(place, drafts, offers)
    app.register_blueprint(beginning.blueprint(beginnings, place, drafts, offers, chooser, files))
    taken_along = exports.Exports(lookup, screens, ROOT / "static")
    app.register_blueprint(manage.blueprint(lookup, screens, marks, trash, taken_along))
    app.register_blueprint(forks.blueprint(beginnings, lookup, drafts, supervisor))
    app.register_blueprint(manage.trash_blueprint(screens, trash))
    app.register_blueprint(pictures.blueprint(lookup))
    app.register_blueprint(prompts.blueprint(beginnings, supervisor, lookup, drafts))
    app.register_blueprint(trust.blueprint(place, supervisor, lookup, drafts))
    trust.register(app, lookup)
    app.register_blueprint(composer.blueprint(supervisor, lookup, drafts))
    app.register_blueprint(
        completion.blueprint(place.config_dir, supervisor, lookup, offers, files, place.folders)
    )
    app.register_blueprint(begin_again.blueprint(supervisor, lookup, settings.stop_deadline))
    app.register_blueprint(decisions.blueprint(supervisor, lookup))
    app.register_blueprint(controls.blueprint(supervisor.choosing, lookup))
    open_sockets = sockets.OpenSockets(settings.viewer_timeout, settings.max_viewers)
    open_sockets.init_app(app)
    kept: logins.Logins = app.extensions["opcode_logins"]
    app.extensions["opcode_logouts"] = logouts.Logouts(
        kept.folder, open_sockets.logins, lambda login: bool(kept.get(login)), open_sockets.close_of
    )
    sock = Sock(app)
    frames = showing.Frames(app, app.extensions["opcode_stalls"].recently_busy)
    live.register(sock, lookup, open_sockets, supervisor.leaving, frames)
    executions = Executions(supervisor, places, place, settings.stop_deadline)
    _add_reading(app, place, lookup, executions, settings, supervisor.binary)
    _add_running(app, sock, open_sockets, executions, place, lookup, taken_along, settings)


def _add_running(
    app: Flask,
    sock: Sock,
    open_sockets: sockets.OpenSockets,
    executions: Executions,
    place: Workspace,
    lookup: SessionLookup,
    taken_along: exports.Exports,
    settings: Settings,
) -> None:
    """What programs start, steer and hear: the API's runs, and its sockets."""
    supervisor, refusals = executions.supervisor, tuple(ERRORS)
    app.register_blueprint(api_sessions.blueprint(supervisor, executions, census))
    naming = Naming(lambda session_id: history.find(place.config_dir, session_id))
    tasks = TaskRoom(supervisor, naming, place.task_folder, settings.task_timeout)
    claude_socket.register(
        sock, open_sockets, executions, supervisor, supervisor.leaving, refusals, tasks
    )
    store = ChatStore(settings.state_dir / "chats")
    chats = Chats(store, supervisor, executions, lookup, place, naming)
    app.register_blueprint(chat.blueprint(chats, taken_along))
    chat_socket.register(sock, open_sockets, chats, refusals)


def _add_reading(
    app: Flask,
    place: Workspace,
    lookup: SessionLookup,
    executions: Executions,
    settings: Settings,
    claude: Path,
) -> None:
    """What the API reads of Claude's files, and writes into them without a run."""
    config_dir, demo = place.config_dir, place.sample_project
    installed = Installations(
        settings.claude_path, settings.child_environment.get("PATH", ""), settings.home
    )
    moved = demo is not None or "CLAUDE_CONFIG_DIR" in settings.child_environment
    state_file = mcp.state_file(config_dir, settings.home, moved)
    app.register_blueprint(api_projects.blueprint(config_dir, executions, lookup))
    app.register_blueprint(api_settings.blueprint(config_dir, claude, installed))
    app.register_blueprint(catalog.blueprint(place, state_file))
    app.register_blueprint(openapi.blueprint())
