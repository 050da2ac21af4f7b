"""Import Flask without its command line, its development server and its client for tests, and Jinja
without its compiler, as templates were compiled by an earlier start.

With `click` and the HTTP server of the standard library they take 2.5 MB and a tenth of a start.
Whatever uses one of them still gets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opcode_htmx.lib.late.modules import imported_late, late_functions


class _Commands:
    """The commands of an app or a blueprint: none, until somebody asks for more than that."""

    def __init__(self) -> None:
        self.name = ""
        self.commands: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from flask.cli import AppGroup

        return getattr(AppGroup(self.name, self.commands), name)


def load() -> None:
    """To be called before anything else imports Flask."""
    late: dict[str, Mapping[str, object]] = {
        "click": {},
        "decimal": {},  # a kind of value in JSON
        **late_functions("pprint", "pformat"),
        "flask.cli": {"AppGroup": _Commands},
        **late_functions("werkzeug.serving", "run_simple", "is_running_from_reloader"),
        **late_functions("werkzeug.test", "Client"),
        **late_functions("jinja2.compiler", "CodeGenerator", "generate"),
        **late_functions("jinja2.parser", "Parser"),
    }
    with imported_late(late):
        import flask  # noqa: F401
