"""Previews: dev servers that Claude has started, shown behind the login."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated

from flask import Blueprint, Flask, url_for

from opcode_htmx.config import values
from opcode_htmx.config.declarations import FeatureSettings, Parser, setting
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem, PageLink
from opcode_htmx.features.preview.addresses import Addresses
from opcode_htmx.features.preview.openings import VERSION, NoRoom, Openings
from opcode_htmx.features.preview.proxy.door import Door, Front
from opcode_htmx.features.preview.service import Previews
from opcode_htmx.lib.concurrency.jobs import Job, every
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.sessions.dev_servers.servers import NoSuchServer
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.server import preview_ports

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

OPENED = StateFolder(
    "previews.json",
    holds="which dev servers are shown at which address, and hashes of passes",
    version=VERSION,
)


class PreviewSettings(FeatureSettings):
    """Reads OPCODE_PREVIEW_PORTS and OPCODE_PREVIEW_ORIGINS."""

    ports: Annotated[tuple[int, ...] | None, Parser(preview_ports.parse)] = setting(
        "",
        "The ports on which dev servers are shown, each an origin of its own, such as "
        "`18080-18083`; `off`: none. Without it, four ports from 10,000 above `PORT` on, without "
        "those that are taken.",
    )
    origins: values.Origins = setting(
        "",
        "The addresses of these ports, in the same order, where a proxy is in front of them, such "
        "as `https://box.example:8443`; their host name is the app's, whose login they ask for.",
    )


class _Parts:
    """What one worker has, with its door once the app is built."""

    def __init__(self, context: AppContext) -> None:
        settings = context.settings
        self.openings = Openings(context.state.folder(OPENED.name))
        addresses = Addresses(settings.port, settings.of(PreviewSettings).origins)
        self.front = Front(settings.port, settings.base_path)
        entrance = self.front.entrance if settings.base_path else ""
        self.previews = Previews(context.sessions.dev_servers, self.openings, addresses, entrance)
        self.door: Door | None = None


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.preview import routes

    parts = context.once(_Parts)
    yield routes.blueprint(parts.previews, context.sessions.lookup, context.runs)


def _at_start(context: AppContext, app: Flask) -> None:
    """Put the door before the app, and have its sockets closed with those of the app."""
    parts = context.once(_Parts)

    def door(inner: WSGIApplication) -> WSGIApplication:
        parts.door = Door(
            inner,
            app.extensions["opcode_visitors"],
            app.extensions["opcode_sources"],
            parts.openings,
            preview_ports.listening,
            parts.front,
            app.jinja_env,
        )
        return parts.door

    app.extensions.setdefault("opcode_doors", []).append(door)
    app.extensions["opcode_shutdown"] = partial(
        _shut_down, parts, app.extensions["opcode_shutdown"]
    )


def _shut_down(parts: _Parts, others: Callable[[], None]) -> None:
    if parts.door:
        parts.door.exchanges.close()
    others()


def _jobs(context: AppContext) -> Iterable[Job]:
    from opcode_htmx.features.preview.proxy.open_exchanges import EVERY_SECONDS

    parts = context.once(_Parts)

    def look() -> None:
        if parts.door:
            parts.door.exchanges.look()

    yield every(EVERY_SECONDS, "end previews that nobody sees", look)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.preview import api

    return api.endpoints(context.once(_Parts).previews, context.sessions.lookup)


def _of_session(context: AppContext, project_id: str, session_id: str) -> str:
    return url_for("preview.page", project_id=project_id, session_id=session_id)


FEATURE = Feature(
    name="preview",
    routes=_routes,
    at_start=_at_start,
    nav=(NavItem("preview.overview", "Previews", icon="globe", order=470),),
    session_links=(PageLink("Preview", 170, _of_session),),
    errors={NoSuchServer: 404, NoRoom: 409},
    state=(OPENED,),
    settings=PreviewSettings,
    endpoints=_endpoints,
    jobs=_jobs,
)
