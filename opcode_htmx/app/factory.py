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
from typing import Any

import gevent
from flask import Blueprint, Flask, Response, url_for
from gevent.event import Event
from jinja2 import BytecodeCache

from opcode_htmx.app import (
    errors,
    feature_settings,
    platform,
    state_folders,
    template_cache,
)
from opcode_htmx.app.metrics import families as metric_families
from opcode_htmx.app.navigation import entries as navigation
from opcode_htmx.app.navigation import page_links
from opcode_htmx.app.operation import logs
from opcode_htmx.app.pairing import terminal
from opcode_htmx.app.platform import App
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.app.shared.claude_environment import confirm, find_claude
from opcode_htmx.app.shared.context import app_context
from opcode_htmx.config import state_format, state_use
from opcode_htmx.config.settings import Settings
from opcode_htmx.config.state_use import StateUse
from opcode_htmx.engines.claude.files.lists import folder_summaries
from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.lib import resources
from opcode_htmx.lib.concurrency.cooperative import (
    run_cpu_in_thread,
    run_in_thread,
    yield_to_loop,
    yielding,
)
from opcode_htmx.lib.concurrency.jobs import Job, Jobs, every, once, once_idle
from opcode_htmx.lib.files.state_dir import ensure_state_dir, make_private
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.metrics.store import MetricStore
from opcode_htmx.runs.model import line_reader
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.web.assets.saved_templates import SavedTemplates, program
from opcode_htmx.web.http import health
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
    context = app_context(settings, claude, state, jobs, app.jinja_env, tuple(statuses), metrics)
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
        jobs.add(once_idle("ask for Claude's login", partial(confirm, claude.unconfirmed)))
    jobs.add(_loading_of_later_pages(app))
    jobs.add(once_idle("compile the templates", partial(_compile, templates, app, saved)))
    platform.stand_behind_proxies(app, settings)
    app.extensions["opcode_context"] = context
    app.extensions["opcode_jobs"] = jobs
    app.extensions["opcode_demo"] = claude.demo
    return app


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
        from opcode_htmx.markup import highlight, markdown
        from opcode_htmx.rendering import block_macros

        markdown.prepare()
        highlight.prepare()
        block_macros.load(app.jinja_env)
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

    They are 200 modules: a fifth of what would be imported at the start. A feature with folders of
    its own waits until somebody asks for one of its own pages.
    """

    def add(features: Sequence[Feature]) -> None:
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

    def add_common() -> None:
        add([feature for feature in features if not feature.folders])
        template_cache.forget_macros(app.jinja_env)  # those of a page about an error

    def late_address(error: Exception, endpoint: str, values: dict[str, Any]) -> str:
        if not app.url_map.add_of(endpoint):
            raise error
        return url_for(endpoint, **values)

    app.url_map.add_late(("/",), add_common, known=(health.ADDRESS,))
    for feature in features:
        if feature.folders:
            app.url_map.add_late(feature.folders, partial(add, [feature]), blueprint=feature.name)
    app.url_build_error_handlers.append(late_address)


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
            endpoints += yielding(feature.endpoints(context))  # each may have to import its models
            yield_to_loop()
        described = Description(endpoints, context.settings.base_path).endpoints
        with all_or_nothing(app):
            for feature in features:
                if feature.late_sockets and feature.sockets:
                    feature.sockets(context, router)
            yield_to_loop()
            register_endpoints(LateRoutes(app, "api"), described)

    sockets = (folder for feature in features for folder in feature.late_sockets)
    app.url_map.add_late((*API_FOLDERS, *sockets), add)


def _shut_down(runs: Supervisor, close_sockets: Callable[[], None]) -> None:
    """The worker ends, and the runs go on, but for those that have no prompt."""
    ending = gevent.spawn(runs.warm_starts.close)
    close_sockets()
    ending.join()
