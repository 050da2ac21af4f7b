"""Import Flask without its command line, its development server and its client for tests.

It imports all three, with `click` and the HTTP server of the standard library: 2 MB, and a twentieth
of a start. Whatever uses one of them still gets it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from opcode_htmx.lib.late.modules import imported_late, late_function


class _Commands:
    """The commands of an app or a blueprint: none, until somebody asks for more than that."""

    def __init__(self) -> None:
        self.name = ""
        self.commands: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        group = import_module("flask.cli").AppGroup(self.name, self.commands)
        return getattr(group, name)


def load() -> None:
    """To be called before anything else imports Flask."""
    serving, client = "werkzeug.serving", late_function("werkzeug.test", "Client")
    late = {
        "click": {},
        "flask.cli": {"AppGroup": _Commands},
        "werkzeug.test": {"Client": client},
        serving: {
            name: late_function(serving, name) for name in ("run_simple", "is_running_from_reloader")
        },
    }
    with imported_late(late):
        import_module("flask")
