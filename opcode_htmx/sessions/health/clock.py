"""Check of the clock: it is set by the network, and no file of ours comes from the future."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.formatting import format_duration
from opcode_htmx.sessions.health import tools
from opcode_htmx.sessions.health.check import Finding, State

TOLERATED_SECONDS = 120.0
_LISTED = 5000
"""Entries of a folder that are looked at."""


def clock(settings: Settings) -> Finding:
    """A wrong clock ends logins at once, starts schedules late, and mixes up the order of runs."""
    ahead = run_in_thread(newest, settings) - time.time()
    synchronised = _is_synchronised()
    facts = {
        "Now": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "Set by the network": {True: "yes", False: "no", None: "not known"}[synchronised],
    }
    set_it = "sudo timedatectl set-ntp true"
    if sys.platform == "darwin":
        set_it = "sudo sntp -sS time.apple.com"
    if ahead > TOLERATED_SECONDS:
        return Finding(
            State.WARNING,
            f"The newest of the server's files is {format_duration(ahead)} in the future: the "
            "clock is late, or was ahead before.",
            "Have the network set the clock.",
            set_it,
            facts,
        )
    if synchronised is False:
        return Finding(
            State.WARNING,
            "Nothing sets the clock of this machine, so it will drift.",
            "Have the network set the clock.",
            set_it,
            facts,
        )
    said = "" if synchronised else " This system does not say whether the network sets it."
    return Finding(State.OK, f"It agrees with the server's files.{said}", facts=facts)


def newest(settings: Settings) -> float:
    """When the newest of the files that our clock, or Claude's, has dated was changed; 0: none."""
    folders = (
        settings.state_dir,
        settings.state_dir / "runs",
        settings.claude_config_dir / "projects",
    )
    return max((at for folder in folders for at in _times(folder)), default=0.0)


def _times(folder: Path) -> Iterator[float]:
    try:
        for number, entry in enumerate(folder.iterdir()):
            if number >= _LISTED:
                return
            yield entry.lstat().st_mtime
    except OSError:
        return


def _is_synchronised() -> bool | None:
    """None where the system does not say: without systemd, and in containers."""
    output = tools.ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if output is None or output.status != 0:
        return None
    return {"yes": True, "no": False}.get(output.text)
