"""The list of all checks, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from opcode_htmx.config.settings import Settings
from opcode_htmx.lib import resources
from opcode_htmx.sessions.health import (
    claude,
    clock,
    firewall,
    hooks,
    limits,
    network,
    processes,
    storage,
    versions,
)
from opcode_htmx.sessions.health.check import Check, Finding, State

CLI_SECONDS = 45.0
"""A cold disk needs several for the CLI; it is asked for its version, then for its login."""
TOOL_SECONDS = 10.0
"""For what asks several tools of the system."""
TLS = "tls"
"""The check whose finding a request knows better."""


def of(settings: Settings) -> tuple[Check, ...]:
    """The checks of a server with these settings, which are read with those of its features."""

    def check(name: str, title: str, look: Callable[[Settings], Finding], **more: Any) -> Check:
        return Check(name, title, partial(look, settings), **more)

    asks = partial(check, in_greenlet=True)
    of_claude = claude.ClaudeChecks(settings)
    return (
        Check("cli", "Claude CLI", of_claude.cli, CLI_SECONDS, in_greenlet=True),
        Check("login", "Claude's login", of_claude.login, CLI_SECONDS, in_greenlet=True),
        check("hooks", "Claude's hooks", hooks.hooks),
        check("disk", "Disk", storage.disk),
        check("state", "State folder", storage.state_folder),
        # its library starts a process when it is loaded
        asks("inotify", "Watching files", lambda settings: limits.inotify()),
        asks("clock", "Clock", clock.clock),
        asks("port", "Port", network.port),
        asks("firewall", "Firewall", firewall.firewall, seconds=TOOL_SECONDS),
        check(TLS, "Connection of browsers", network.tls),
        asks("orphans", "Processes left behind", processes.orphans, seconds=TOOL_SECONDS),
        check("settings", "Settings", names),
        asks("versions", "Versions", versions.versions, seconds=TOOL_SECONDS),
    )


def names(settings: Settings) -> Finding:
    """Whether all names in the environment mean something; the values have been checked before."""
    if not settings.unknown:
        return Finding(State.OK, "All of them are known and valid.")
    return Finding(
        State.WARNING,
        f"{', '.join(settings.unknown)}: no setting of this version, and ignored.",
        "Correct the name, or remove it. The command lists all settings.",
        f"{resources.PROGRAM} --help",
    )
