"""The list of the commands."""

from __future__ import annotations

from opcode_htmx.app.commands.command import Command

COMMANDS = (
    Command(
        "pair",
        "Print a QR code that logs in a phone to the running server.",
        "opcode_htmx.app.commands.pair",
    ),
)
"""In the order of --help."""
