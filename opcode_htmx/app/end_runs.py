"""End all runs: when a server with OPCODE_ON_EXIT=stop exits, and as `opcode-htmx end-runs`."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from opcode_htmx.app import standard_streams
from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.operation import logs
from opcode_htmx.app.shared import run_settings
from opcode_htmx.config.log_settings import LogSettings
from opcode_htmx.config.settings import Settings, SettingsError
from opcode_htmx.engines.claude.demo.service import CONFIG_NAME
from opcode_htmx.engines.claude.engine import ClaudeHistory
from opcode_htmx.lib import resources
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.markup.visible_text import visible_text
from opcode_htmx.runs.control.launcher import RunSettings
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies.working_folders import WorkingFolders
from opcode_htmx.runs.registry import RunRegistry
from opcode_htmx.runs.starts import END_GRACE_SECONDS

log = logging.getLogger(__name__)


AT_EXIT = "--at-exit"
"""The argument of a server that exits: nothing is printed."""

_BY_COMMAND = f"Ended by the command {resources.END_RUNS}."
_BY_SERVER = "Ended, because the server was stopped."


def main(arguments: Sequence[str] = ()) -> int:
    """End the runs in the state folder; the exit status says whether all of them have ended."""
    at_exit = list(arguments) == [AT_EXIT]
    if arguments and not at_exit:
        return USAGE_ERROR
    try:
        settings = Settings.from_env(feature_settings=(LogSettings,))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logs.set_up_for_command(settings)
    ended, alive = end_all(settings, _BY_SERVER if at_exit else _BY_COMMAND)
    if not at_exit:
        _print(_lines(ended) or ([] if alive else ["No run of Claude goes on."]))
    for run in alive:
        log.error("Run %s could not be ended.", run.id)
    return 1 if alive else 0


def _print(lines: list[str]) -> None:
    """Print them if they can be: the exit status is about the runs."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without the letters
    with contextlib.suppress(OSError):
        sys.stdout.writelines(f"{line}\n" for line in lines)
    standard_streams.flush_output()


def _lines(ended: list[Run]) -> list[str]:
    counted = Counter(visible_text(each.record.project_path) for each in ended)
    return [
        f"Ended {'the run' if count == 1 else f'{count} runs'} of Claude in {project}."
        for project, count in counted.items()
    ]


def end_all(settings: Settings, cause: str) -> tuple[list[Run], list[Run]]:
    """Stop every run, regardless of its owner, and record `cause`.

    Returns those that have ended, and those still alive after the deadline.
    """
    registry = RunRegistry(_settings(settings), adopted=lambda run: None, on_change=lambda: None)
    registry.read()
    try:
        live = registry.live()
        for run in live:
            with contextlib.suppress(RunNotLive):
                run.stop(_outcome(run), cause, by=SYSTEM)
        deadline = settings.stop_deadline + END_GRACE_SECONDS
        alive = [run for run in live if not run.join(deadline)]
        return [run for run in live if run not in alive], alive
    finally:
        registry.close()


def _outcome(run: Run) -> Outcome:
    """A run that only waits for a prompt has done what it was for."""
    return Outcome.COMPLETED if run.resting else Outcome.CANCELLED


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
