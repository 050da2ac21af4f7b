"""Set up the log of the server by its settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opcode_htmx.config import credentials
from opcode_htmx.config.log_settings import LogSettings
from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.logs import redaction
from opcode_htmx.lib.logs.log_files import FOLDER
from opcode_htmx.lib.logs.set_up import LogOptions
from opcode_htmx.lib.logs.set_up import set_up as set_up_logging

_HOLDS_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")
"""In the name of a variable of Claude's."""


def set_up(settings: Settings) -> None:
    """Log as the settings say, and keep the secrets that the server knows out of the log."""
    redaction.hide(_secrets(settings))
    set_up_logging(options(settings))


def options(settings: Settings) -> LogOptions:
    """How the server logs."""
    try:
        chosen = settings.of(LogSettings)
    except LookupError:  # an app without the feature
        chosen = LogSettings.read({}, settings.home)
    return LogOptions(
        level=chosen.level,
        format=chosen.format,
        folder=settings.state_dir / FOLDER if chosen.file else None,
        total=chosen.size,
        keep=chosen.keep,
    )


def _secrets(settings: Settings) -> Iterator[str]:
    yield credentials.password(settings)
    yield settings.own_github_token
    yield settings.shared_github_token
    for name, value in settings.child_environment.items():
        if _HOLDS_SECRET.search(name):
            yield value
