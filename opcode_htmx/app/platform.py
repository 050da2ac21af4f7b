"""The platform under the features: login, errors, headers, static files and sockets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask
from jinja2 import Environment, FileSystemLoader, TemplateNotFound

from opcode_htmx.app.template_cache import LateEnvironment
from opcode_htmx.config import credentials
from opcode_htmx.config.settings import DEFAULT_USER, Settings
from opcode_htmx.features.feature import Feature
from opcode_htmx.lib import resources
from opcode_htmx.lib.concurrency.jobs import Job, Jobs
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.metrics.store import MetricStore
from opcode_htmx.web.assets.static_files import StaticFiles
from opcode_htmx.web.auth import (
    gate,
    logouts,
    rate_limit,
    tokens,
    visitors,
)
from opcode_htmx.web.auth.login import LoginHints
from opcode_htmx.web.auth.logins import Logins
from opcode_htmx.web.auth.pairing import PairingCodes
from opcode_htmx.web.http import (
    compress,
    errors,
    filters,
    headers,
    health,
    request_body,
    responses,
)
from opcode_htmx.web.origin import sources
from opcode_htmx.web.server import base_path, request_ids, request_times, trusted_proxies
from opcode_htmx.web.server.url_rules import LateMap, LateRule
from opcode_htmx.web.websocket.registry import OpenSockets
from opcode_htmx.web.websocket.router import SocketRouter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_FORM_BYTES = 4 * 1024 * 1024


class App(Flask):
    url_rule_class = LateRule
    url_map_class = LateMap
    url_map: LateMap
    jinja_environment = LateEnvironment
    _adds_late = False

    def register_late(self, blueprint: Blueprint) -> None:
        """Register a blueprint although the app has served already, which Flask refuses.

        The first request for a page waits for all of them: see `LateMap`.
        """
        self._adds_late = True
        try:
            self.register_blueprint(blueprint)
        finally:
            self._adds_late = False

    def _check_setup_finished(self, f_name: str) -> None:
        if not self._adds_late:
            super()._check_setup_finished(f_name)


class _Templates(FileSystemLoader):
    """The common templates, and those of features, which begin with the name of their feature.

    To try forty folders for each name would take a tenth of what a start costs.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        folders = {each.name: each.folder / "templates" for each in features}
        super().__init__([resources.TEMPLATES, *folders.values()])
        self._likely = {
            name: FileSystemLoader([resources.TEMPLATES, folder])
            for name, folder in folders.items()
        }

    def get_source(self, environment: Environment, template: str) -> Any:
        if likely := self._likely.get(template.partition("/")[0]):
            with contextlib.suppress(TemplateNotFound):
                return likely.get_source(environment, template)
        return super().get_source(environment, template)


def make_app(features: Sequence[Feature]) -> App:
    """A Flask app with our templates, static files, filters, headers and reading of bodies.

    Raises ValueError for a feature whose name is another's, or a folder of the common static files.
    """
    _check_names(features)
    app = App("opcode_htmx.app", root_path=str(resources.FOLDER), static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_FORM_BYTES
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_loader = _Templates(features)
    request_ids.register(app)
    request_body.register(app)
    files = StaticFiles(resources.STATIC, {each.name: each.folder / "static" for each in features})
    files.init_app(app)
    headers.register(app, files)
    filters.register(app)
    app.register_blueprint(health.blueprint())
    return app


def _check_names(features: Sequence[Feature]) -> None:
    taken = {path.name for path in resources.STATIC.iterdir()}
    for feature in features:
        if feature.name in taken or not feature.name.isidentifier():
            raise ValueError(f"a feature cannot have the name {feature.name!r}")
        taken.add(feature.name)


def protect(
    app: Flask,
    settings: Settings,
    state: StateDir,
    jobs: Jobs,
    statuses: Mapping[type[Exception], int],
    metrics: MetricStore,
) -> SocketRouter:
    """Set up login, errors, compression and sockets; return the router for sockets."""
    request_times.register(app, metrics)
    user, password = settings.user, credentials.password(settings)
    csrf_tokens = tokens.Tokens(credentials.secret_key(settings), user, password)
    logins = Logins(
        state.folder("logins"),
        lambda: csrf_tokens.credentials,
        settings.login_lifetime,
        settings.login_idle,
    )
    failures = rate_limit.RateLimiter(state.folder("login_failures"), logins.networks)
    codes = PairingCodes(state.folder("pairing"))
    known = visitors.Visitors(user, password, csrf_tokens, logins, codes, failures, metrics)
    allowed = sources.Sources(settings.allowed_origins, settings.allowed_hosts)
    app.extensions["opcode_visitors"], app.extensions["opcode_sources"] = known, allowed
    gate.AuthGate(
        known,
        allowed,
        LoginHints(asks_user=user != DEFAULT_USER, password_is_given=settings.password is not None),
    ).init_app(app)
    errors.register(app, statuses)
    responses.register(app)
    compress.register(app)
    sockets = OpenSockets(settings.viewer_timeout, settings.max_viewers)
    sockets.init_app(app)
    watcher = logouts.LogoutWatcher(
        logins.folder, sockets.logins, lambda login: bool(logins.get(login)), sockets.close_of
    )
    jobs.add(Job("watch for ended logins", watcher.start, watcher.close))
    return SocketRouter(app, sockets)


def stand_behind_proxies(app: Flask, settings: Settings) -> None:
    """Serve the app below its base path, and believe trusted proxies; wraps all of the app.

    In between are the `opcode_doors` of features: WSGI apps that answer some requests themselves.
    """
    base_path.register(app, settings.base_path)
    doors: Sequence[Callable[[WSGIApplication], WSGIApplication]]
    doors = app.extensions.get("opcode_doors", ())
    for door in doors:
        app.wsgi_app = door(app.wsgi_app)  # type: ignore[assignment, method-assign]
    trusted_proxies.register(app, settings.trusted_proxies)
