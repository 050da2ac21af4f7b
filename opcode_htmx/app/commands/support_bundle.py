"""`opcode-htmx support-bundle FILE`: write what somebody who helps needs, without secrets."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from gevent import monkey

from opcode_htmx.app import feature_settings, state_folders
from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.commands.files import FileTaken, new_file
from opcode_htmx.app.commands.outcome import status_of
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.config.settings import Settings
from opcode_htmx.sessions.health import checks
from opcode_htmx.sessions.health.check import Checker
from opcode_htmx.sessions.support_bundle import bundle


def main(arguments: Sequence[str]) -> int:
    """Check this machine and write the bundle; the exit status."""
    match arguments:
        case [name] if not name.startswith("-"):
            path = Path(name)
            return status_of(lambda: _write(path), f"{path} cannot be written", FileTaken)
    return USAGE_ERROR


def _write(path: Path) -> None:
    monkey.patch_subprocess()  # as in doctor.py
    settings = Settings.from_env(feature_settings=feature_settings.of(FEATURES))
    declared = [each.name for each in state_folders.of(FEATURES)]
    with new_file(path) as file:
        results = Checker().run(checks.of(settings))
        file.write(bundle.make(settings, declared, results, time.time()))
    print(f"{path} is written. Look through it before you pass it on: its README.txt says what it")
    print("holds. Passwords, tokens, keys, prompts and answers are left out.")
