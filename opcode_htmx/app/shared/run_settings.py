"""Derive the engine, the settings of runs and the capability cache from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from opcode_htmx.app.shared.claude_environment import ClaudeEnvironment
from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.base import Engine
from opcode_htmx.engines.capabilities import Model
from opcode_htmx.engines.claude.config import mcp_config, queries
from opcode_htmx.engines.claude.engine import ClaudeEngine
from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.engines.claude.install.schema_source import SchemaSource
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.files.versioned_files import VersionedFiles
from opcode_htmx.runs.capabilities import probe
from opcode_htmx.runs.capabilities.cache import FOLDER, CapabilityCache
from opcode_htmx.runs.control.launcher import RunSettings
from opcode_htmx.runs.following import first_token
from opcode_htmx.runs.policies.limit_monitor import Limits
from opcode_htmx.runs.policies.working_folders import WorkingFolders
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.configuration.reports import ClaudeReports
from opcode_htmx.sessions.configuration.service import Configuration


def engine(
    settings: Settings, binary: Path, config_dir: Path, environment: Mapping[str, str]
) -> ClaudeEngine:
    """The engine for the CLI at `binary`, with its config folder and environment."""
    state_file = claude_state_file(settings, config_dir, environment)
    return ClaudeEngine.of(binary, config_dir, environment, settings.home, state_file)


def claude_state_file(settings: Settings, config_dir: Path, environment: Mapping[str, str]) -> Path:
    """The file in which Claude keeps its projects and the MCP servers of the user."""
    return mcp_config.state_file(config_dir, settings.home, "CLAUDE_CONFIG_DIR" in environment)


def configuration(
    settings: Settings,
    claude: ClaudeEnvironment,
    engine: Engine,
    state: StateDir,
    runs: Supervisor,
) -> Configuration:
    """The files that configure Claude, and what it says about them."""
    config_dir = claude.workspace.config_dir
    return Configuration(
        workspace=claude.workspace,
        state_file=claude_state_file(settings, config_dir, claude.variables),
        trust=runs.project_trust,
        files=VersionedFiles(state.folder("file_versions")),
        reports=ClaudeReports(
            engine.launcher, engine.codec, state.folder("offers") / FOLDER, queries.ALL
        ),
        schema=SchemaSource(state.folder("settings_schema"), claude.binary, claude.variables),
    )


def of(
    settings: Settings,
    engine: Engine,
    folders: WorkingFolders,
    models: Callable[[], tuple[Model, ...]] = tuple,
    on_first_token: first_token.Measured = first_token.ignore,
) -> RunSettings:
    """The settings of runs, which may work in `folders`.

    `models` returns those that a capability probe has listed; `on_first_token` is called for each
    prompt that a run of this worker begins to answer.
    """
    return RunSettings(
        runs_dir=settings.state_dir / "runs",
        engine=engine,
        permission_mode=settings.permission_mode,
        stop_deadline=settings.stop_deadline,
        limits=limits(settings),
        min_free=settings.min_free,
        folders=folders,
        allow_bypass=settings.allow_bypass,
        keep_running=settings.keep_running,
        disconnect_grace=settings.disconnect_grace,
        max_runs=settings.max_runs,
        warm_timeout=settings.warm_timeout if settings.warm_start else 0.0,
        models=models,
        on_first_token=on_first_token,
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


def capability_cache(
    settings: Settings, claude: cli_binary.Binary, engine: Engine
) -> CapabilityCache:
    """The capabilities of Claude, known before its first run."""

    def ask(folder: Path) -> Json:
        return probe.ask(engine.launcher, engine.codec, folder)

    return CapabilityCache(
        settings.state_dir / "offers",
        ask if settings.ask_ahead else None,
        f"{claude.path}\0{claude.version_text}\0{engine.config_dir}",
        engine.codec,
    )
