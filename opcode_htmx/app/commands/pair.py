"""`opcode-htmx pair`: print a QR code that logs in a device."""

from __future__ import annotations

from collections.abc import Sequence

from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.commands.outcome import status_of
from opcode_htmx.app.pairing import terminal
from opcode_htmx.config.settings import Settings


def main(arguments: Sequence[str]) -> int:
    """Print the code; the exit status."""
    if arguments:
        return USAGE_ERROR
    return status_of(_print_code, "No code could be stored", terminal.NoServer)


def _print_code() -> None:
    print("\n".join(terminal.on_request(Settings.from_env(), terminal.screen())))
