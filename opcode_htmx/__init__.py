"""opcode-htmx: steer Claude Code from the phone in your pocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opcode_htmx.lib.version import __version__

__all__ = ["__version__", "create_app"]

if TYPE_CHECKING:
    from flask import Flask

    from opcode_htmx.config.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The app, built from `settings` (by default from the environment); see `app.factory.build`."""
    # Imported late: the launcher and the demo's process need none of the web.
    from opcode_htmx.app.factory import build

    return build(settings)
