"""Routes that are added, and whose addresses are compiled, when they are asked for first.

What they need is 200 modules for pages, 100 for the API: a third of a start, and of its memory.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from gevent.lock import RLock
from werkzeug.routing import Map, MapAdapter, Rule

from opcode_htmx.lib import surrogates

_Builder = Callable[..., tuple[str, str]]


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
    return surrogates.replaced(value) if isinstance(value, str) else value


class LateRule(Rule):
    """A rule that matches at once, and compiles what `url_for` needs at its first use."""

    def _compile_builder(self, append_unknown: bool = True) -> _Builder:
        compiled: list[_Builder] = []

        def build(rule: Rule, *args: Any, **kwargs: Any) -> tuple[str, str]:
            if not compiled:
                compiled.append(super(LateRule, self)._compile_builder(append_unknown))
            try:
                return compiled[0](rule, *args, **kwargs)
            except UnicodeEncodeError:  # a name in a file may hold half a character
                whole = {name: _whole(value) for name, value in kwargs.items()}
                return compiled[0](rule, *map(_whole, args), **whole)

        return build


class LateMap(Map):
    """The routes of the app. Those below some folders are added when somebody asks for one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: dict[tuple[str, ...], Callable[[], None]] = {}
        self._known: tuple[str, ...] = ()
        self._adding = RLock()
        self.on_added: Callable[[], None] = lambda: None
        """Called when late routes have been added, before anything is collected again."""

    def add_late(
        self, folders: tuple[str, ...], add: Callable[[], None], known: tuple[str, ...] = ()
    ) -> None:
        """`add` is called once, before the first request whose path begins with one of `folders`.

        It adds all routes below them, and may yield to other greenlets meanwhile. A request for one
        of the addresses `known` needs no late route.
        """
        self._late[folders] = add
        self._known += known

    def add_below(self, path: str) -> None:
        """Add the late routes of the folders in which a path is."""
        self._add([folders for folders in self._late if path.startswith(folders)])

    def bind_to_environ(self, environ: Any, *args: Any, **kwargs: Any) -> MapAdapter:
        if self._late:
            # without the slashes that a redirect would take away
            path = "/" + environ.get("PATH_INFO", "").lstrip("/")
            if path not in self._known:
                self.add_below(path)
        return super().bind_to_environ(environ, *args, **kwargs)

    def bind(self, *args: Any, **kwargs: Any) -> MapAdapter:
        self._add(list(self._late))
        return super().bind(*args, **kwargs)

    def iter_rules(self, endpoint: str | None = None) -> Iterator[Rule]:
        self._add(list(self._late))
        return super().iter_rules(endpoint)

    def _add(self, wanted: list[tuple[str, ...]]) -> None:
        for folders in wanted:
            with self._adding:  # another request for one of them waits until all are there
                if add := self._late.get(folders):
                    with _nothing_collected():
                        add()
                        self.on_added()
                    del self._late[folders]


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
