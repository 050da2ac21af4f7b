"""`opcode-htmx pair`: print a QR code that logs in a device."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.pairing import terminal
from opcode_htmx.config.settings import Settings, SettingsError
from opcode_htmx.lib.files.state_dir import StateError


def main(arguments: Sequence[str]) -> int:
    """Print the code; the exit status."""
    if arguments:
        return USAGE_ERROR
    try:
        lines = list(terminal.on_request(Settings.from_env(), terminal.screen()))
    except (SettingsError, StateError, terminal.NoServer) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"No code could be stored ({error.strerror}).", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0
