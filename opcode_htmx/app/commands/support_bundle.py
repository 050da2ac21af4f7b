"""`opcode-htmx support-bundle FILE`: write what somebody who helps needs, without secrets."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gevent import monkey

from opcode_htmx.app import feature_settings, state_folders
from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.config.settings import Settings, SettingsError
from opcode_htmx.sessions.health import checks
from opcode_htmx.sessions.health.check import Checker
from opcode_htmx.sessions.support_bundle import bundle


def main(arguments: Sequence[str]) -> int:
    """Check this machine and write the bundle; the exit status."""
    match arguments:
        case [name] if not name.startswith("-"):
            return _write(Path(name))
    return USAGE_ERROR


def _write(path: Path) -> int:
    monkey.patch_subprocess()  # as in doctor.py
    try:
        settings = Settings.from_env(feature_settings=feature_settings.of(FEATURES))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    except FileExistsError:
        print(f"{path} exists already, and is left as it is; name another file.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{path} cannot be written ({error.strerror}).", file=sys.stderr)
        return 1
    declared = [each.name for each in state_folders.of(FEATURES)]
    try:
        with os.fdopen(descriptor, "wb") as file:
            results = Checker().run(checks.of(settings))
            file.write(bundle.make(settings, declared, results, time.time()))
    except BaseException as error:
        path.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        print(f"{path} cannot be written ({error.strerror}).", file=sys.stderr)
        return 1
    print(f"{path} is written. Look through it before you pass it on: its README.txt says what it")
    print("holds. Passwords, tokens, keys, prompts and answers are left out.")
    return 0
