"""Start Claude's process for a run: first its folder with the record, then the process itself.

Knows nothing of the other runs; the scheduler decides when a run may start.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path

from opcode_htmx.engines.base import CommandLine, Engine, LaunchOptions
from opcode_htmx.engines.capabilities import Model
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.disk_space import DiskFull, is_full
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.events import progress
from opcode_htmx.runs.events.journal import Journal
from opcode_htmx.runs.events.progress import Progress
from opcode_htmx.runs.following import first_token
from opcode_htmx.runs.model import actors
from opcode_htmx.runs.model.actors import Act, Actor
from opcode_htmx.runs.model.record import RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.model.warm_mark import WarmMark
from opcode_htmx.runs.options.service import SessionOptionsService
from opcode_htmx.runs.policies.limit_monitor import Limits
from opcode_htmx.runs.policies.project_trust import ProjectTrust, TrustNeeded
from opcode_htmx.runs.policies.working_folders import InvalidFolder, WorkingFolders
from opcode_htmx.runs.processes import claude_process
from opcode_htmx.runs.processes.claude_process import ClaudeProcess

UNPUBLISHED = ".new-"
"""The prefix of the name of a folder that other workers must not see yet."""


class CannotStart(Exception):
    """Claude could not be started; the message says why in the user's terms."""


class FolderNotAllowed(CannotStart):
    """Claude may not work in the folder of a session."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What every run of this server shares. Durations in seconds."""

    runs_dir: Path
    engine: Engine
    permission_mode: str | None
    stop_deadline: float
    folders: WorkingFolders
    """The folders in which Claude may work."""
    limits: Limits = Limits()
    min_free: int = 0
    """Bytes that have to be free on the disk for a run to start."""
    allow_bypass: bool = False
    keep_running: bool = True
    """Whether a run goes on without a viewer, unless a person has chosen for its session."""
    disconnect_grace: float = 60.0
    max_runs: int = 0
    """Processes at once; further runs are queued. 0: no limit."""
    warm_timeout: float = 0.0
    """How long a run that was started before there is a prompt waits for one; 0: none is."""
    models: Callable[[], tuple[Model, ...]] = tuple
    """The models that Claude has named in answer to a probe."""
    on_first_token: first_token.Measured = first_token.ignore
    variables: list[Callable[[str], Mapping[str, str]]] = field(default_factory=list)
    """Each gives, for the id of a run, variables that its Claude is started with besides."""

    def attached(self, session_id: str) -> Path:
        """The folder of the files that a person attaches in this session."""
        return self.runs_dir.parent / "attached" / session_id

    def journal(self) -> Journal:
        """Where the events of all runs are."""
        return Journal(self.runs_dir.parent / "events")

    def budgets(self) -> BudgetBook:
        """What runs have cost and may cost."""
        return BudgetBook(self.runs_dir.parent)

    def project_trust(self) -> ProjectTrust:
        """The rules on whether Claude may start with the files of a project."""
        return ProjectTrust(self.runs_dir.parent / "trust", self.engine.trust)


def check_folder(settings: RunSettings, project: Path) -> None:
    """Raises FolderNotAllowed where Claude may not work in a folder."""
    try:
        settings.folders.check(project)
    except InvalidFolder as error:
        raise FolderNotAllowed(str(error)) from error


def prepare(
    settings: RunSettings, session_id: str, project: Path, by: Identity, *, warm: bool = False
) -> tuple[RunFolder, RunRecord]:
    """The folder of a run that has no process yet, not published, with its record.

    `warm`: it is started before there is a prompt. Raises CannotStart or DiskFull, and leaves
    nothing behind then.
    """
    if not project.is_dir():
        raise CannotStart(f"The folder {project} does not exist any more.")
    run_id = uuid.uuid4().hex
    record = RunRecord(
        id=run_id,
        session_id=session_id,
        project_path=sys.intern(str(project)),  # of many runs, which are kept for long
        argv=(),
        created_at=time.time(),
        history_start=settings.engine.history.size(session_id) or 0,
        config_dir=sys.intern(str(settings.engine.config_dir)),
    )
    name = f"{UNPUBLISHED}{run_id}"
    try:
        atomic_files.make_folder(settings.attached(session_id))
        folder = RunFolder.create(settings.runs_dir, name)
        actors.note(folder.path, Act.START, "", Actor(by, record.created_at))
        progress.store(folder.path, _no_events_yet(settings, record))
        if warm:
            WarmMark(folder.path).set(settings.engine.history.changed_at(session_id))
        folder.store(record)
    except OSError as error:
        shutil.rmtree(settings.runs_dir / name, ignore_errors=True)
        raise cannot(error) from error
    return folder, record


def launch(
    settings: RunSettings,
    session_options: SessionOptionsService,
    trust: ProjectTrust,
    folder: RunFolder,
    record: RunRecord,
) -> tuple[RunRecord, ClaudeProcess]:
    """Start Claude for a run that was prepared; it resumes the session if that has a history.

    Raises CannotStart, FolderNotAllowed or DiskFull, and leaves no process behind then.
    """
    started = None
    try:
        record, command = _with_command_line(settings, session_options, record)
        project = Path(record.project_path)
        if not project.is_dir():
            raise CannotStart(f"The folder {project} does not exist any more.")
        with settings.folders.opened(project) as place:
            if session_options.uses_project_settings(record.session_id):
                # again: the run may have been queued
                trust.check(place.path, record.session_id)
            environment = dict(command.environment)
            for variables in settings.variables:
                environment |= variables(record.id)
            started = claude_process.spawn(
                record.argv, place.path, environment, folder, record.id, place.descriptor
            )
        record = record.started(started.identity.pid, started.identity.started_at)
        folder.store(record)
    except TrustNeeded as error:
        raise CannotStart(f"{error} Send the prompt again to see the list.") from error
    except OSError as error:
        if started:
            started.kill()
        raise cannot(error) from error
    except InvalidFolder as error:
        raise FolderNotAllowed(str(error)) from error
    return record, started


def cannot(error: OSError) -> CannotStart | DiskFull:
    """The exception for an error that kept Claude from starting."""
    if isinstance(error, DiskFull):
        return error
    if is_full(error):
        return DiskFull()
    return CannotStart(f"Claude could not be started: {_why(error)}.")


def _why(error: OSError) -> str:
    """The reason, in the system's words, or in better ones where those would mislead."""
    if not isinstance(error, FileNotFoundError) or not error.filename:
        return error.strerror or str(error)
    if Path(error.filename).exists():
        return f"{error.filename} is a script whose interpreter is not there"
    return f"{error.filename} is not there"


def _no_events_yet(settings: RunSettings, record: RunRecord) -> bytes:
    """The progress of a run of which nothing has been emitted, at this place of the journal."""
    found = Progress(cost_usd=None if record.history_start else 0.0)
    with contextlib.suppress(OSError):  # then the journal is looked through from its beginning
        found.journal = str(settings.journal().end())
    return found.dump()


def _with_command_line(
    settings: RunSettings, session_options: SessionOptionsService, record: RunRecord
) -> tuple[RunRecord, CommandLine]:
    """The command line that the session's options make, and the record with it."""
    command = command_line(settings, session_options, record.session_id)
    argv = tuple(map(sys.intern, command.argv))  # of many runs, too
    history_size = settings.engine.history.size(record.session_id)
    return replace(record, argv=argv, history_start=history_size or 0), command


def command_line(
    settings: RunSettings, session_options: SessionOptionsService, session_id: str
) -> CommandLine:
    """The command line with which the session's next process starts. Raises ProfileUnreadable."""
    options, budgets = session_options.options(session_id), settings.budgets()
    launch_options = LaunchOptions(
        resume=settings.engine.history.size(session_id) is not None,
        permission_mode=session_options.permission_mode(session_id),
        model=options.model,
        effort=options.effort,
        allow_bypass=settings.allow_bypass,
        readable=settings.attached(session_id),
        project_settings=session_options.uses_project_settings(session_id),
        profile=session_options.profiles.get(session_id, allow_bypass=settings.allow_bypass),
        max_cost_usd=min(filter(None, (options.budget_usd, budgets.limits.run)), default=None),
    )
    return settings.engine.launcher.session(session_id, launch_options)
