"""Set up the log of the server, and of its commands, by the settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from opcode_htmx.config import credentials, log_settings
from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.logs import redaction
from opcode_htmx.lib.logs.set_up import set_up as set_up_logging

_HOLDS_SECRET = late_pattern(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")
"""In the name of a variable of Claude's."""


def set_up(settings: Settings) -> None:
    """Log as the settings say, and keep the secrets that the server knows out of the log."""
    redaction.hide([credentials.password(settings), *_secrets(settings)])
    set_up_logging(log_settings.options(settings))


def set_up_for_command(settings: Settings) -> None:
    """The same for a command beside the server: stderr gets only what went wrong."""
    redaction.hide([credentials.kept_password(settings), *_secrets(settings)])
    set_up_logging(replace(log_settings.options(settings), stderr="warning"))


def _secrets(settings: Settings) -> Iterator[str]:
    yield settings.own_github_token
    yield settings.shared_github_token
    for name, value in settings.child_environment.items():
        if _HOLDS_SECRET.search(name):
            yield value
