"""What the runs need of the settings, and what Claude is asked without a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.config import mcp_config
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.install import cli_binary as binary
from opcode_htmx.engines.claude.protocol.capabilities import Model
from opcode_htmx.lib.coerce import Json
from opcode_htmx.runs.capabilities import probe
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.runs.control.launcher import RunSettings
from opcode_htmx.runs.policies.limit_monitor import Limits
from opcode_htmx.runs.policies.working_folders import WorkingFolders


def of(
    settings: Settings,
    binary: Path,
    config_dir: Path,
    environment: Mapping[str, str],
    folders: WorkingFolders,
    models: Callable[[], tuple[Model, ...]] = tuple,
) -> RunSettings:
    """Claude is at `binary`, works with `config_dir` in `folders`, and gets `environment`.

    `models` are those that it has named where it was asked without a run.
    """
    return RunSettings(
        runs_dir=settings.state_dir / "runs",
        binary=binary,
        environment=environment,
        permission_mode=settings.permission_mode,
        stop_deadline=settings.stop_deadline,
        limits=limits(settings),
        least_room=settings.min_free,
        history_file=lambda session_id: history.find(config_dir, session_id),
        config_dir=config_dir,
        home=settings.home,
        claude_state_file=mcp_config.state_file(
            config_dir, settings.home, "CLAUDE_CONFIG_DIR" in environment
        ),
        folders=folders,
        allow_bypass=settings.allow_bypass,
        keep_running=settings.keep_running,
        disconnect_grace=settings.disconnect_grace,
        max_runs=settings.max_runs,
        models=models,
    )


def limits(settings: Settings) -> Limits:
    return Limits(
        run_timeout=settings.run_timeout,
        idle_timeout=settings.idle_timeout,
        output=settings.max_output,
        memory_warning=settings.memory_warning,
        memory=settings.memory_limit,
        queued=settings.max_queued,
    )


def offers(
    settings: Settings, claude: binary.Binary, config_dir: Path, environment: Mapping[str, str]
) -> CapabilityCache:
    """What Claude offers before it has run for us."""

    def ask(folder: Path) -> Json:
        return probe.ask(claude.path, environment, folder)

    return CapabilityCache(
        settings.state_dir / "offers",
        ask if settings.ask_ahead else None,
        f"{claude.path}\0{claude.version_text}\0{config_dir}",
    )
