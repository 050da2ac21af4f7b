"""Make the services of checkpoints from the settings."""

from __future__ import annotations

from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.base import Engine
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.checkpoints.automatic import AutomaticCheckpoints
from opcode_htmx.sessions.checkpoints.service import Checkpoints
from opcode_htmx.sessions.checkpoints.settings import CheckpointsSettings
from opcode_htmx.sessions.checkpoints.store import FOLDER, PROJECTS, TREES, CheckpointStore
from opcode_htmx.sessions.checkpoints.trees import Trees
from opcode_htmx.sessions.workspace import Workspace


def services(
    settings: Settings, workspace: Workspace, state: StateDir, engine: Engine, runs: Supervisor
) -> tuple[Checkpoints, AutomaticCheckpoints]:
    """The service, and what takes checkpoints without a person."""
    try:
        chosen = settings.of(CheckpointsSettings)
        enabled, keep = chosen.automatic, chosen.keep
    except LookupError:  # an app without the pages of checkpoints
        enabled, keep = False, 1
    store = CheckpointStore(state.folder(FOLDER.name), state.folder(PROJECTS.name))
    trees = Trees(state.folder(TREES.name), settings.child_environment, lambda: workspace.folders)
    checkpoints = Checkpoints(store, trees, runs, keep)
    return checkpoints, AutomaticCheckpoints(checkpoints, runs, engine.codec, enabled=enabled)
