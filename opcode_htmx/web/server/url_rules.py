"""Routes that are added, and whose addresses are compiled, when they are asked for first.

What they need is 200 modules for pages, 100 for the API: a third of a start, and of its memory.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any
from urllib.parse import quote

from flask import Flask
from gevent.lock import RLock
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.routing.matcher import StateMachineMatcher

from opcode_htmx.lib import surrogates
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.web.server import connections

log = logging.getLogger(__name__)

_SLASHES = late_pattern("/{2,}")

_Builder = Callable[..., tuple[str, str]]
_Part = tuple[str, str, Callable[[Any], str] | None]
_Parts = tuple[_Part, ...]

RETRY_SECONDS = 1.0
"""After routes could not be added: requests before then are refused, and do not try again."""

NOT_LOADED = "A part of the server could not be loaded: its log says why. Try again in a moment."


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Else the collector scans all new modules, at once, which holds the event loop for 45 ms."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _whole(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_whole(each) for each in value]
    return surrogates.replaced(value) if isinstance(value, str) else value


class LateRule(Rule):
    """A rule below any host, whose addresses are put together from its parts.

    Werkzeug would compile a function for each rule, in 0.2 ms, which is as fast.
    """

    def _compile_builder(self, append_unknown: bool = True) -> _Builder:
        parts: _Parts = ()

        def build(rule: Rule, **values: Any) -> tuple[str, str]:
            nonlocal parts
            parts = parts or tuple(_parts_of(rule))  # at once: another thread may build one, too
            try:
                return "", _joined(rule, parts, values, append_unknown)
            except UnicodeEncodeError:  # a name in a file may hold half a character
                whole = {name: _whole(value) for name, value in values.items()}
                return "", _joined(rule, parts, whole, append_unknown)

        return build


def _parts_of(rule: Rule) -> Iterator[_Part]:
    """Each value of a rule with the text before it; last, the text after all of them."""
    text, constants = "", rule.defaults or {}
    for is_value, data in rule._trace[1:]:  # after the sign between host and path
        if is_value and data in constants:
            text += rule._converters[data].to_url(constants[data])
        elif is_value:
            yield text, data, rule._converters[data].to_url
            text = ""
        else:
            text += quote(data, safe="!$&'()*+,/:;=@")
    yield text, "", None


def _joined(rule: Rule, parts: _Parts, values: dict[str, Any], append_unknown: bool) -> str:
    """The path of a rule; values that are not in it are its query."""
    address = ""
    for text, name, converted in parts:
        address += text if converted is None else text + converted(values[name])
    if append_unknown and len(values) >= len(parts):
        unknown = {name: value for name, value in values.items() if name not in rule.arguments}
        query = rule._encode_query_vars(unknown)
        return f"{address}?{query}" if query else address
    return address


class RoutesMissing(ServiceUnavailable):
    """Late routes could not be added; the cause is in the log."""

    def __init__(self) -> None:
        super().__init__(NOT_LOADED, retry_after=round(RETRY_SECONDS))


class LateMap(Map):
    """The routes of the app. Those below some folders are added when somebody asks for one.

    Routes that cannot be added are tried again by a later request. Until then each request for what
    is not there is refused with RoutesMissing, and other routes are served.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: dict[tuple[str, ...], Callable[[], None]] = {}
        self._known: tuple[str, ...] = ()
        self._folders_of: dict[str, tuple[str, ...]] = {}
        self._adding = RLock()
        self._failed: dict[tuple[str, ...], tuple[float, str]] = {}
        self.on_added: Callable[[], None] = lambda: None
        """Called when late routes have been added, before anything is collected again."""

    def add_late(
        self,
        folders: tuple[str, ...],
        add: Callable[[], None],
        known: tuple[str, ...] = (),
        blueprint: str = "",
    ) -> None:
        """`add` is called once, before the first request whose path begins with one of `folders`.

        It adds all routes below them, and may yield to other greenlets meanwhile. A request for one
        of the addresses `known` needs no late route. `add_of` knows them by their `blueprint`.
        """
        self._late[folders] = add
        self._known += known
        if blueprint:
            self._folders_of[blueprint] = folders

    def add_of(self, endpoint: str) -> bool:
        """Add the late routes of an endpoint's blueprint; False if it has none that are missing.

        Raises RoutesMissing.
        """
        folders = self._folders_of.get(endpoint.rpartition(".")[0], ())
        if folders not in self._late:
            return False
        self._add([folders])
        return True

    @property
    def are_missing(self) -> bool:
        """Whether routes that somebody has asked for could not be added so far."""
        return bool(self._failed)

    def add_below(self, path: str) -> None:
        """Add the late routes of the folders in which a path is. Raises RoutesMissing."""
        self._add([folders for folders in self._late if path.startswith(folders)])

    def bind_to_environ(self, environ: Any, *args: Any, **kwargs: Any) -> MapAdapter:
        missing: RoutesMissing | None = None
        if self._late:
            # without the slashes that a redirect would take away
            path = _SLASHES.sub("/", "/" + environ.get("PATH_INFO", ""))
            if path not in self._known:
                try:
                    self.add_below(path)
                except RoutesMissing as error:
                    missing = error
        adapter = super().bind_to_environ(environ, *args, **kwargs)
        if missing:
            _refuse_unmatched(adapter, missing)
        return adapter

    def bind(self, *args: Any, **kwargs: Any) -> MapAdapter:
        for folders in list(self._late):
            with suppress(RoutesMissing):  # the rest is found
                self._add([folders])
        return super().bind(*args, **kwargs)

    def iter_rules(self, endpoint: str | None = None) -> Iterator[Rule]:
        self._add(list(self._late))
        return super().iter_rules(endpoint)

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        """Within, rules are added; those added before an exception are removed again."""
        before = {endpoint: list(rules) for endpoint, rules in self._rules_by_endpoint.items()}
        try:
            yield
        except BaseException:
            matcher = StateMachineMatcher(self.merge_slashes)
            for rules in before.values():
                for rule in rules:
                    if not rule.build_only:
                        matcher.add(rule)
            self._rules_by_endpoint, self._matcher, self._remap = before, matcher, True
            raise

    def _add(self, wanted: list[tuple[str, ...]]) -> None:
        for folders in wanted:
            with self._adding:  # another request for one of them waits until all are there
                if add := self._late.get(folders):
                    self._try(folders, add)

    def _try(self, folders: tuple[str, ...], add: Callable[[], None]) -> None:
        tried, cause = self._failed.get(folders, (0.0, ""))
        if cause and monotonic() - tried < RETRY_SECONDS:
            raise RoutesMissing
        with _nothing_collected(), connections.loading():
            try:
                with self._all_or_none():
                    add()
            except Exception as error:
                again, cause = cause, f"{type(error).__name__}: {error}"
                self._failed[folders] = monotonic(), cause
                if cause != again:  # who asks every second must not fill the log
                    where = ", ".join(folders)
                    log.exception("What is below %s cannot be loaded: answered with 503", where)
                raise RoutesMissing from error
            del self._late[folders]
            self.on_added()
        if self._failed.pop(folders, None):
            log.warning("What is below %s is loaded now", ", ".join(folders))


def route_at(routes: Map, path: str, method: str) -> tuple[str, Mapping[str, Any]]:
    """The endpoint of a path of this server, and the values in it.

    Only late routes of the path's folders are added, where `bind` adds all. Raises HTTPException
    for a path without a route, for one that is redirected, and if its routes could not be added.
    """
    if isinstance(routes, LateMap):
        routes.add_below(path)
    endpoint, values = Map.bind(routes, "").match(path, method=method)
    return endpoint, values


def _refuse_unmatched(adapter: MapAdapter, missing: RoutesMissing) -> None:
    """Raised while the request is matched, it has our headers, and the host is checked before."""
    match: Callable[..., Any] = adapter.match

    def matched(*args: Any, **kwargs: Any) -> Any:
        try:
            return match(*args, **kwargs)
        except HTTPException:
            raise missing from missing.__cause__

    adapter.match = matched  # type: ignore[method-assign]


_OF_BLUEPRINTS = (
    "blueprints",
    "view_functions",
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "url_value_preprocessors",
    "url_default_functions",
    "template_context_processors",
)
"""What registering a blueprint adds to, but for what it may set twice."""


@contextmanager
def all_or_nothing(app: Flask) -> Iterator[None]:
    """Within, late blueprints and views are added to an app; an exception undoes that, so that they
    can be added later. `LateMap` does the same with their rules."""
    before = {name: _copied(getattr(app, name)) for name in _OF_BLUEPRINTS}
    try:
        yield
    except BaseException:
        for name, content in before.items():
            table = getattr(app, name)
            table.clear()
            table.update(content)
        raise


def _copied(table: dict[Any, Any]) -> dict[Any, Any]:
    return {key: [*each] if isinstance(each, list) else each for key, each in table.items()}


class LateRoutes:
    """Adds routes to a blueprint's name when the app serves already, which Flask refuses."""

    def __init__(self, app: Flask, blueprint: str = "") -> None:
        self._app = app
        self._prefix = f"{blueprint}." if blueprint else ""

    def add_url_rule(
        self,
        rule: str,
        endpoint: str,
        view: Callable[..., Any],
        *,
        methods: Iterable[str] = ("GET",),
        **options: Any,
    ) -> None:
        """As Flask's; raises ValueError for an endpoint that is there already."""
        name, known = self._prefix + endpoint, frozenset(methods)
        if name in self._app.view_functions:
            raise ValueError(f"there are two endpoints {name}")
        made: Any = self._app.url_rule_class(
            rule, endpoint=name, methods=known | {"OPTIONS"}, **options
        )
        made.provide_automatic_options = "OPTIONS" not in known
        self._app.url_map.add(made)
        self._app.view_functions[name] = view
