"""What the pages and the API show of races."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gevent.pool import Pool

from opcode_htmx.engines.claude.files.folder_names import claude_folder
from opcode_htmx.engines.claude.files.sessions import ProjectNotFound, SessionNotFound
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.races.endings import RaceEndings
from opcode_htmx.features.races.records import Contestant, Race, Races, RaceState, Stage
from opcode_htmx.features.races.runner import RaceRunner
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.integration import work
from opcode_htmx.lib.git.integration.work import FileChange
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.sessions.folder_labels import name_of
from opcode_htmx.sessions.status_panel import about, status_text
from opcode_htmx.sessions.worktrees.copies import copy_id
from opcode_htmx.sessions.worktrees.records import SessionWorktree, Setup
from opcode_htmx.web.http.forms import session_url
from opcode_htmx.web.server.base_path import base_path

MOST_FILES = 300
"""Files in the table of a race."""


@dataclass(frozen=True, slots=True)
class ContestantView:
    """A contestant as pages show it."""

    contestant: Contestant
    letter: str
    model: str
    words: str
    """Its wording, if it has one of its own."""
    status: str
    needs_you: bool
    is_live: bool
    failed: bool
    subject: str
    """What it asks about; empty if it asks nothing."""
    cost: float
    changes: tuple[FileChange, ...] | None
    """None if there is no copy, or git could not say."""
    address: str
    """Of its session; empty before that has begun."""
    changes_address: str
    copy_address: str
    setup_address: str
    branch: str
    outcome: str

    @property
    def added(self) -> int:
        return sum(each.added or 0 for each in self.changes or ())

    @property
    def removed(self) -> int:
        return sum(each.removed or 0 for each in self.changes or ())


@dataclass(frozen=True, slots=True)
class RaceView:
    race: Race
    project: str
    contestants: tuple[ContestantView, ...]
    files: tuple[tuple[str, tuple[FileChange | None, ...]], ...]
    """Each file that one of them changes, with the change of each contestant."""
    more_files: int

    @property
    def is_live(self) -> bool:
        return any(each.is_live for each in self.contestants)

    @property
    def cost(self) -> float:
        return sum(each.cost for each in self.contestants)


@dataclass(frozen=True, slots=True)
class RacePages:
    """Serves the pages of one worker."""

    context: AppContext
    races: Races
    runner: RaceRunner
    endings: RaceEndings

    def view(self, race: Race) -> RaceView:
        sessions = [each.session_id for each in race.contestants]
        records = [self.context.sessions.worktrees.of_session(each) for each in sessions]
        changes = Pool(len(records)).map(self._changes, records)
        found = tuple(map(self._contestant, race.contestants, records, changes))
        changed = [{each.path: each for each in one.changes or ()} for one in found]
        paths = sorted({path for one in changed for path in one})
        files = tuple(
            (path, tuple(one.get(path) for one in changed)) for path in paths[:MOST_FILES]
        )
        project = name_of(Path(race.folder), self.context.workspace)
        return RaceView(race, project, found, files, max(0, len(paths) - MOST_FILES))

    def newest_first(self) -> Sequence[Race]:
        """All races."""
        positions = self.context.sessions.read_positions
        return positions.newest_first(self.races.all(), lambda each: each.at)

    def words(self, race: Race) -> str:
        """How far a race is, for a row of the list."""
        match race.state:
            case RaceState.DECIDED:
                return f"{race.winner.upper()} won"
            case RaceState.DROPPED:
                return "thrown away"
            case RaceState.DECIDING:
                return "being cleared away"
        runs = [self._run(each) for each in race.contestants]
        at_work = sum(run is not None and run.live and run.phase is not Phase.IDLE for run in runs)
        return f"{at_work} at work" if at_work else "to be decided"

    def project_of(self, race: Race) -> str:
        return name_of(Path(race.folder), self.context.workspace)

    def _run(self, contestant: Contestant) -> Run | None:
        runs = self.context.runs.of_session(contestant.session_id)
        return runs[-1] if runs else None

    def _contestant(
        self,
        each: Contestant,
        record: SessionWorktree | None,
        changes: tuple[FileChange, ...] | None,
    ) -> ContestantView:
        run = self._run(each)
        is_there = record is not None and not record.state.is_over
        has_session = record is not None and run is not None
        folder = claude_folder(record.folder) if record else ""
        ended_badly = bool(run and run.record.end and run.record.end.outcome is Outcome.FAILED)
        return ContestantView(
            contestant=each,
            letter=each.key.upper(),
            model=each.model,
            words=each.prompt,
            status=self._status(each, record, run, folder),
            needs_you=run is not None and run.live and run.phase is Phase.WAITING,
            is_live=run is not None and run.live and run.phase is not Phase.IDLE,
            failed=each.start is Stage.FAILED or ended_badly,
            subject=about(run),
            cost=self._cost(each.session_id),
            changes=changes,
            address=session_url(folder, each.session_id) if has_session else "",
            changes_address=f"{base_path()}/projects/{folder}/sessions/{each.session_id}/changes"
            if has_session and is_there
            else "",
            copy_address=f"{base_path()}/worktrees/{copy_id(Path(record.path))}"
            if is_there and record
            else "",
            setup_address=f"{base_path()}/worktrees/starting/{each.session_id}"
            if record and record.state.is_open and record.setup is not Setup.NONE
            else "",
            branch=record.branch if record else "",
            outcome=str(record.state) if record and record.state.is_over else "",
        )

    def _status(
        self, each: Contestant, record: SessionWorktree | None, run: Run | None, folder: str
    ) -> str:
        if run is None:
            if each.problem:
                return each.problem
            is_setting_up = record is not None and record.setup is Setup.RUNNING
            return "Its set-up command runs" if is_setting_up else "Its copy is being made"
        current = None
        if run.live:
            try:
                view = self.context.sessions.lookup.read(folder, each.session_id)
                current = view.conversation.current
            except (ProjectNotFound, SessionNotFound):
                current = None
        return status_text(run, current, self.context.sessions.budgets.stop_of(run))

    def _cost(self, session_id: str) -> float:
        runs = self.context.runs.of_session(session_id)
        return sum(self.context.runs.budgets.spending.of_run(run.id) for run in runs)

    def _changes(self, record: SessionWorktree | None) -> tuple[FileChange, ...] | None:
        """Called outside of the request's context."""
        if record is None or record.state.is_over:
            return None
        git = self._git(Path(record.path))
        if git is None or git.repository.top != Path(record.path).resolve():
            return None
        carried = set(record.carried)
        try:
            found = work.changes_since(git, record.base_commit)
        except GitFailed:
            return None
        return tuple(each for each in found if each.path not in carried)

    def _git(self, folder: Path) -> Git | None:
        """git for reading in a folder; None if there is none, or it cannot be read."""
        try:
            return self.context.sessions.worktrees.git(folder)
        except (GitFailed, RepositoryRefused):
            return None
