"""The launch agent of macOS: the server as a job of launchd. Pure."""

from __future__ import annotations

import plistlib
from pathlib import Path

from opcode_htmx.app.service.installation import NAME, Installation

MAX_OPEN_FILES = 65536


def property_list(installation: Installation) -> bytes:
    """The property list of the job. It holds the settings, so its file is for this user only."""
    log = str(log_file(installation.home))
    return plistlib.dumps(
        {
            "Label": NAME,
            "ProgramArguments": list(installation.command),
            "WorkingDirectory": str(installation.working_folder),
            "EnvironmentVariables": dict(sorted(installation.variables.items())),
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": 10,
            # Runs of Claude go on while the server is stopped, restarted or upgraded.
            "AbandonProcessGroup": True,
            "ExitTimeOut": 60,
            # The default is for work that nobody waits for, and is slowed down.
            "ProcessType": "Interactive",
            "SoftResourceLimits": {"NumberOfFiles": MAX_OPEN_FILES},
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
    )


def agent_file(home: Path) -> Path:
    """Where launchd looks for the job."""
    return home / "Library" / "LaunchAgents" / f"{NAME}.plist"


def log_file(home: Path) -> Path:
    """Where the job's output goes."""
    return home / "Library" / "Logs" / f"{NAME}.log"
