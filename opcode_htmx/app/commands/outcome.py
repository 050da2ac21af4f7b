"""Do what a command is for, and say in a sentence why it could not be done."""

from __future__ import annotations

import sys
from collections.abc import Callable

from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.commands.options import BadUsage
from opcode_htmx.config.settings import SettingsError
from opcode_htmx.lib.files.state_dir import StateError

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""


def status_of(act: Callable[[], None], failed: str, *sentences: type[Exception]) -> int:
    """The exit status of `act`.

    Exceptions of `sentences`, and those of settings and of the state folder, are printed as they
    are; an OSError as `failed`, with its reason.
    """
    said: tuple[type[Exception], ...] = (SettingsError, StateError, *sentences)
    try:
        act()
    except BadUsage as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    except said as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{failed} ({error.strerror or error}).", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0
