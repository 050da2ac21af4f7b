"""Start Claude's process for a run: its settings, its folder with the record, the process itself.

Knows nothing of the other runs.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..claude import command, history
from ..claude.capabilities import Model
from . import process
from .choosing import Choosing
from .folder import RunFolder, RunRecord
from .process import ClaudeProcess


class CannotStart(Exception):
    """Claude could not be started; the message says why in the user's terms."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What every run of this server shares. Durations in seconds."""

    runs_dir: Path
    binary: Path
    environment: Mapping[str, str]
    permission_mode: str | None
    stop_deadline: float
    idle_timeout: float
    history_file: Callable[[str], Path | None]
    """Claude's history file of a session id, once there is one."""
    config_dir: Path
    allow_bypass: bool = False
    keep_running: bool = True
    """Whether a run goes on without a viewer, unless a person has chosen for its session."""
    disconnect_grace: float = 60.0
    models: Callable[[], tuple[Model, ...]] = tuple
    """Those that Claude has named where it was asked without a run."""

    def attached(self, session_id: str) -> Path:
        """Where the files are kept that a person gives Claude in this session."""
        return self.runs_dir.parent / "attached" / session_id


@dataclass(frozen=True, slots=True)
class Started:
    """A run whose process has been started."""

    folder: RunFolder
    record: RunRecord
    process: ClaudeProcess


def start(settings: RunSettings, choosing: Choosing, session_id: str, project: Path) -> Started:
    """Start Claude in `project`; it resumes the session if that has a history.

    Raises CannotStart, and leaves nothing behind then.
    """
    run_id = uuid.uuid4().hex
    started = None
    try:
        if not project.is_dir():
            raise CannotStart(f"The folder {project} does not exist any more.")
        settings.attached(session_id).mkdir(mode=0o700, parents=True, exist_ok=True)
        record = _new_record(settings, choosing, run_id, session_id, project)
        folder = RunFolder.create(settings.runs_dir, run_id)
        folder.store(record)
        environment = command.environment(command.TELL_MORE, settings.environment)
        started = process.spawn(record.argv, project, environment, folder, run_id)
        record = record.started(started.identity.pid, started.identity.started_at)
        folder.store(record)
    except OSError as error:
        if started:
            started.kill()
        # else the next server would take it for a run that was interrupted
        shutil.rmtree(settings.runs_dir / run_id, ignore_errors=True)
        raise CannotStart(f"Claude could not be started: {_why(error)}.") from error
    return Started(folder, record, started)


def _new_record(
    settings: RunSettings, choosing: Choosing, run_id: str, session_id: str, project: Path
) -> RunRecord:
    options = choosing.options(session_id)
    before = settings.history_file(session_id)
    argv = command.build(
        settings.binary,
        session_id,
        resume=before is not None,
        permission_mode=choosing.permission_mode(session_id),
        model=options.model,
        effort=options.effort,
        allow_bypass=settings.allow_bypass,
        readable=settings.attached(session_id),
    )
    return RunRecord(
        id=run_id,
        session_id=session_id,
        project_path=str(project),
        argv=argv,
        created_at=time.time(),
        history_start=history.size(before),
        config_dir=str(settings.config_dir),
    )


def _why(error: OSError) -> str:
    """What the system said, or what it is about where its words would mislead."""
    if not isinstance(error, FileNotFoundError) or not error.filename:
        return error.strerror or str(error)
    if Path(error.filename).exists():
        return f"{error.filename} is a script whose interpreter is not there"
    return f"{error.filename} is not there"
