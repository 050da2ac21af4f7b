"""End all runs: when a server with OPCODE_ON_EXIT=stop exits, and as `opcode-htmx end-runs`."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.operation import logs
from opcode_htmx.app.shared import run_settings
from opcode_htmx.config.log_settings import LogSettings
from opcode_htmx.config.settings import Settings, SettingsError
from opcode_htmx.engines.claude.demo.service import CONFIG_NAME
from opcode_htmx.engines.claude.engine import ClaudeHistory
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.control.launcher import RunSettings
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies.working_folders import WorkingFolders
from opcode_htmx.runs.registry import RunRegistry
from opcode_htmx.runs.starts import END_GRACE_SECONDS

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] = ()) -> int:
    """End the runs in the state folder; the exit status says whether all of them have ended."""
    if arguments:
        return USAGE_ERROR
    try:
        settings = Settings.from_env(feature_settings=(LogSettings,))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logs.set_up_for_command(settings)
    alive = end_all(settings)
    for run in alive:
        log.error("Run %s could not be ended.", run.id)
    return 1 if alive else 0


def end_all(settings: Settings) -> list[Run]:
    """Stop every run, regardless of its owner; return those still alive after the deadline."""
    registry = RunRegistry(_settings(settings), adopted=lambda run: None, on_change=lambda: None)
    registry.read()
    try:
        live = registry.live()
        for run in live:
            with contextlib.suppress(RunNotLive):
                run.stop(Outcome.CANCELLED, "Ended, because the server was stopped.", by=SYSTEM)
        return [run for run in live if not run.join(settings.stop_deadline + END_GRACE_SECONDS)]
    finally:
        registry.close()


def _settings(settings: Settings) -> RunSettings:
    config_dirs = (settings.claude_config_dir, settings.state_dir / "demo" / CONFIG_NAME)
    engine = run_settings.engine(
        settings,
        settings.claude_path or Path("claude"),
        settings.claude_config_dir,
        settings.child_environment,
    )
    folders = WorkingFolders(settings.project_roots)
    return run_settings.of(settings, replace(engine, history=ClaudeHistory(config_dirs)), folders)
