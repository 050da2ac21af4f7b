"""The declaration of a feature: all that the app has to know to install it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Blueprint

from opcode_htmx.config.declarations import FeatureSettings
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.lib.jobs import Job
from opcode_htmx.runs.events.types import RunEvent
from opcode_htmx.web.http.endpoint import Endpoint
from opcode_htmx.web.websocket.router import SocketRouter


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry of the navigation.

    `order` decides the place; the lowest ones stand in the bar at the bottom of a phone, the others
    behind "More". An entry is marked on its page, and on the other pages of the page's blueprint.
    """

    endpoint: str
    """The endpoint of its page, which takes no arguments."""
    label: str
    """One or two words: in the bar there is room for 9 letters, and for two lines."""
    icon: str
    """The name of a symbol in templates/icons.html."""
    order: int
    badge: Callable[[AppContext], int] | None = None
    """How much there is at that page that needs the person; 0: nothing is shown."""
    badge_words: tuple[str, str] = ("item", "items")
    """What the badge counts, for screen readers: one of them, several of them."""


Handler = Callable[[AppContext, Any], None]
"""Gets the event of its kind. It may wait: each handler has a greenlet of its own."""


def no_routes(context: AppContext) -> Iterable[Blueprint]:
    """Of a feature without pages."""
    return ()


@dataclass(frozen=True, slots=True)
class Feature:
    """One capability: a folder of its own, registered by one line in app/registry.py."""

    name: str
    """The name of its folder, of its templates' folder and of its static files' folder."""
    routes: Callable[[AppContext], Iterable[Blueprint]] = no_routes
    """Its pages and forms."""
    sockets: Callable[[AppContext, SocketRouter], None] | None = None
    nav: tuple[NavItem, ...] = ()
    errors: Mapping[type[Exception], int] = field(default_factory=dict)
    """The status codes of its exceptions, whose texts are sentences for the person."""
    state: tuple[StateFolder, ...] = ()
    """What it keeps in the state folder."""
    settings: type[FeatureSettings] | None = None
    """Its settings: environment variables that begin with OPCODE_; see config/declarations.py."""
    endpoints: Callable[[AppContext], Iterable[Endpoint]] = lambda context: ()
    """Its part of the REST API, below /api."""
    on: Mapping[type[RunEvent], Handler] = field(default_factory=dict)
    """Handlers of what happens in runs, called in one worker for each event."""
    on_in_every_worker: Mapping[type[RunEvent], Handler] = field(default_factory=dict)
    """The same, called in every worker."""
    jobs: Callable[[AppContext], Iterable[Job]] = lambda context: ()
    """What runs beside the requests, in every worker."""

    @property
    def folder(self) -> Path:
        """The folder of its code, in which `static` may lie."""
        module = sys.modules[self.routes.__module__]
        return Path(str(module.__file__)).parent
