"""Begin races, and start their contestants.

A start is noted before it is made, with ids that follow from the race. One worker makes the starts,
the one that holds a lock; after a crash the holder of the lock makes a noted start again.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import gevent

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.races.endings import RaceEndings
from opcode_htmx.features.races.records import (
    FEWEST_CONTESTANTS,
    MOST_CONTESTANTS,
    Contestant,
    Race,
    RaceRefused,
    Races,
    RaceState,
    Stage,
    now,
    prompt_of,
    session_of,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.file_locks import Duty
from opcode_htmx.lib.git import revisions, worktrees
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.lib.git.revisions import BadRevision, NoRepository
from opcode_htmx.lib.identity import SYSTEM, Identity
from opcode_htmx.sessions.submit import check_prompt
from opcode_htmx.sessions.worktrees.making import unattended
from opcode_htmx.sessions.worktrees.service import CannotCopy, Wish

log = logging.getLogger(__name__)

ROUND_SECONDS = 2.0
LOCK = "starter"
KEYS = "abcd"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one contestant is to do: a model, and a wording; each empty for the usual one."""

    model: str = ""
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A race to begin. The id makes a form that is sent twice one race."""

    folder: Path
    prompt: str
    entries: Sequence[Entry]
    base: str = ""
    permission_mode: str = ""
    id: str = ""


class RaceRunner:
    """Starts the races of one worker."""

    def __init__(self, context: AppContext, races: Races, endings: RaceEndings) -> None:
        self._context = context
        self._service = context.sessions.worktrees
        self._endings = endings
        self._races = races
        self._duty = Duty(races.folder / LOCK)
        self._starting: set[str] = set()
        """The sessions that this worker is starting."""

    # --- beginning --------------------------------------------------------------------------

    def begin(self, wanted: Wanted, *, by: Identity) -> Race:
        """Note a race, and have it begin.

        Raises RaceRefused, InvalidPrompt, BypassNotAllowed, TrustNeeded, BudgetReached,
        InvalidFolder, OSError.
        """
        runs = self._context.runs
        if not FEWEST_CONTESTANTS <= len(wanted.entries) <= MOST_CONTESTANTS:
            raise RaceRefused(f"Let {FEWEST_CONTESTANTS} to {MOST_CONTESTANTS} ways compete.")
        for each in wanted.entries:
            check_prompt(each.prompt or wanted.prompt)
        runs.options.check(wanted.permission_mode or None)
        runs.starts.check_folder(wanted.folder)
        race_id = wanted.id or uuid.uuid4().hex
        runs.budgets.check(session_of(race_id, KEYS[0]), wanted.folder)
        runs.project_trust.check(wanted.folder, "")
        start = self._base(wanted)
        race = Race(
            id=race_id,
            at=now(),
            folder=str(wanted.folder),
            prompt=wanted.prompt,
            base=start.branch,
            base_commit=start.commit,
            contestants=tuple(
                Contestant(
                    key, session_of(race_id, key), prompt_of(race_id, key), each.model, each.prompt
                )
                for key, each in zip(KEYS, wanted.entries, strict=False)
            ),
            permission_mode=wanted.permission_mode,
            by=by.user,
        )
        stored = self._races.add(race)
        log_act(by, "race.begin", race=race_id, project=stored.folder)
        self.round()
        return stored

    def _base(self, wanted: Wanted) -> revisions.Start:
        try:
            git = worktrees.at(wanted.folder, self._service.services.environment)
            start = revisions.resolve(git, wanted.base)
            return replace(start, branch=start.branch or revisions.current_branch(git))
        except (NoRepository, BadRevision) as error:
            raise RaceRefused(str(error)) from None
        except (GitFailed, RepositoryRefused) as error:
            raise RaceRefused(f"git cannot make copies of this project: {error}") from None

    # --- starting ---------------------------------------------------------------------------

    def round(self) -> None:
        """Make the starts that are noted, and end what a crash has left half removed."""
        open_ = [
            each for each in self._races.all() if each.state in (RaceState.OPEN, RaceState.DECIDING)
        ]
        if not open_ or not self._duty.take():
            return
        for race in open_:
            if race.state is RaceState.DECIDING:
                self._endings.finish(race, by=SYSTEM)
                continue
            noted = [each for each in race.contestants if each.start is Stage.NOTED]
            mine = [each for each in noted if each.session_id not in self._starting]
            self._starting |= {each.session_id for each in mine}
            if mine:
                gevent.spawn(self._start_all, race, mine)

    def stop(self) -> None:
        """Leave the starts to another worker."""
        self._duty.leave()

    def _start_all(self, race: Race, noted: Sequence[Contestant]) -> None:
        """Make the copies one after the other, as git does it, and begin in each by itself."""
        for each in noted:
            with self._noting(race, each):
                self._prepare(race, each)
                gevent.spawn(self._begin, race, each)

    def _prepare(self, race: Race, contestant: Contestant) -> None:
        words = race.words_of(contestant)
        wish = Wish(
            folder=Path(race.folder),
            words=f"{words[:200]} {contestant.key}",
            prompt_id=contestant.prompt_id,
            prompt=words,
            options=unattended(contestant.model, race.permission_mode),
            base=race.base,
            commit=race.base_commit,
            race=race.id,
        )
        self._service.prepare(contestant.session_id, wish, by=SYSTEM)

    def _begin(self, race: Race, contestant: Contestant) -> None:
        session_id = contestant.session_id
        sent = self._service.send_noted(session_id, by=SYSTEM)

        def send(folder: Path) -> None:
            # The set-up may have taken minutes
            if self._races.get(race.id).state is not RaceState.OPEN:
                raise CannotCopy("The race was over.")
            sent(folder)

        with self._noting(race, contestant):
            self._service.begin_now(session_id, send, by=SYSTEM)
            self._races.note(race.id, contestant.key, start=Stage.BEGUN, problem="")
            self._starting.discard(session_id)

    @contextlib.contextmanager
    def _noting(self, race: Race, contestant: Contestant) -> Iterator[None]:
        """Note why a contestant could not start."""
        refusals: tuple[type[Exception], ...] = (*self._context.refusals, CannotCopy)
        try:
            yield
        except refusals as error:
            self._fail(race, contestant, str(error))
        except Exception as error:
            log.exception("could not start a contestant of race %s", race.id)
            self._fail(race, contestant, f"The server failed ({type(error).__name__}).")

    def _fail(self, race: Race, contestant: Contestant, sentence: str) -> None:
        self._starting.discard(contestant.session_id)
        self._races.note(race.id, contestant.key, start=Stage.FAILED, problem=sentence)

    def again(self, race: Race, key: str, *, by: Identity) -> None:
        """Start a contestant that failed to start. Raises RaceRefused, NoSuchRace."""
        if race.state is not RaceState.OPEN or race.contestant(key).start is not Stage.FAILED:
            raise RaceRefused("It has started by now, or the race is over.")
        self._races.note(race.id, key, start=Stage.NOTED, problem="")
        log_act(by, "race.again", race=race.id, contestant=key)
        self.round()
