"""The declaration of a feature: everything that the app needs to install it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask

from opcode_htmx.config.declarations import FeatureSettings
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.concurrency.jobs import Job
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_folders import StateFolder
from opcode_htmx.lib.metrics.families import Family, Reading
from opcode_htmx.runs.events.types import RunEvent
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.websocket.router import SocketRouter


@dataclass(frozen=True, slots=True)
class Badge:
    """The badge of an entry whose words depend on what is counted."""

    count: int
    words: str
    """What follows the count, for screen readers."""
    is_quiet: bool = False
    """Whether nothing of it waits for the person."""


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry of the navigation.

    Entries are sorted by `order`: the first are in the bar at the bottom of a phone, the others
    behind "More". An entry is marked as current on all pages of its page's blueprint.
    """

    endpoint: str
    """The endpoint of its page, which takes no arguments."""
    label: str
    """One or two words: the bar has space for 9 letters, and for two lines."""
    icon: str
    """The name of a symbol in templates/icons.html."""
    order: int
    badge: Callable[[AppContext], int | Badge] | None = None
    """The number of items on its page that need attention; 0 shows no badge."""
    badge_words: tuple[str, str] = ("item", "items")
    """The noun for the badge's count, for screen readers: singular, plural. A Badge has its own."""
    shown: Callable[[AppContext], bool] = lambda context: True
    """Whether this server has the page; asked once, when the app is built."""


@dataclass(frozen=True, slots=True)
class PageLink:
    """A link from the page of each session, or of each project, to what a feature shows of it."""

    label: str
    """One or two words."""
    order: int
    """The links are sorted by it."""
    address: Callable[[AppContext, str, str], str]
    """Called with the project's id, and the session's id or the project's folder: the address, or
    an empty text where there is nothing to show. It does not block, and reads no large file."""


Handler = Callable[[AppContext, Any], None]
"""Called with an event of its kind. It may block: each handler has a greenlet of its own."""


def no_routes(context: AppContext) -> Iterable[Blueprint]:
    """The routes of a feature without pages."""
    return ()


@dataclass(frozen=True, slots=True)
class Feature:
    """One capability: a folder of its own, registered by one line in app/registry.py."""

    name: str
    """The name of its folder, of its templates' folder and of its static files' folder."""
    routes: Callable[[AppContext], Iterable[Blueprint]] = no_routes
    """Its pages and forms; called when somebody asks for a page for the first time."""
    folders: tuple[str, ...] = ()
    """Where all of its pages are, and no others, such as `/storage`; the first is its page in the
    navigation. Its routes are called for a request there, or for the address of one of its pages,
    whose blueprint has its name. They add nothing to other pages or their templates. Empty: they
    are called for the first page of all."""
    at_start: Callable[[AppContext, Flask], None] | None = None
    """What it does to the app, or to services, besides its pages; called when the app is built."""
    sockets: Callable[[AppContext, SocketRouter], None] | None = None
    """Those of its pages, which are added with them."""
    late_sockets: tuple[str, ...] = ()
    """How the addresses of its sockets begin, where they are for programs: they are added with the
    API. Empty for sockets of pages."""
    nav: tuple[NavItem, ...] = ()
    session_links: tuple[PageLink, ...] = ()
    """Links in the menu of each session that is in a project's folder."""
    project_links: tuple[PageLink, ...] = ()
    """Links on the page of each project whose folder is known."""
    errors: Mapping[type[Exception], int] = field(default_factory=dict)
    """Status codes of its exceptions, whose texts are sentences for the person."""
    state: tuple[StateFolder, ...] = ()
    """Its files and folders in the state folder."""
    settings: type[FeatureSettings] | None = None
    """Its settings: environment variables that begin with OPCODE_; see config/declarations.py."""
    endpoints: Callable[[AppContext], Iterable[Endpoint]] = lambda context: ()
    """Its part of the REST API; called when a program asks for the first time."""
    on: Mapping[type[RunEvent], Handler] = field(default_factory=dict)
    """Handlers of run events, each called in one worker per event."""
    on_in_every_worker: Mapping[type[RunEvent], Handler] = field(default_factory=dict)
    """The same, called in every worker."""
    jobs: Callable[[AppContext], Iterable[Job]] = lambda context: ()
    """Its background jobs, in every worker."""
    metrics: tuple[Family, ...] = ()
    """What it measures: it adds to counters and histograms by `AppContext.metrics`."""
    measure: Callable[[AppContext], Iterable[Reading]] | None = None
    """The values of its gauges now, for the whole server; called whenever somebody asks for the
    metrics, in the worker that answers."""

    @property
    def folder(self) -> Path:
        """The folder of its code, which may contain `static` and `templates`."""
        if self.routes is no_routes:
            return Path(__file__).parent / self.name
        module = sys.modules[self.routes.__module__]
        return Path(str(module.__file__)).parent
